package logs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tuma/internal/airtime"
	"tuma/internal/config"
	"tuma/internal/logs"
)

const (
	digits = "254711000111"
	secret = "s3cret/of lipad+\"x"
)

// written is a logger and what it writes.
type written struct {
	*zap.Logger
	out *bytes.Buffer
}

func logger(encoder zapcore.Encoder) written {
	out := &bytes.Buffer{}
	core := zapcore.NewCore(encoder, zapcore.AddSync(out), zap.DebugLevel)
	secrets := func() []string { return []string{"", "short", secret} }
	return written{zap.New(logs.Masked(core, logs.Secrets{List: secrets})), out}
}

func encoders() map[string]zapcore.Encoder {
	return map[string]zapcore.Encoder{
		"json":    zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		"console": zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
	}
}

// person prints, marshals and logs itself with its number.
type person struct{ Phone string }

func (p person) String() string { return p.Phone }

func (p person) MarshalLogObject(out zapcore.ObjectEncoder) error {
	out.AddString("phone", p.Phone)
	return out.AddReflected("again", map[string]any{p.Phone: []string{p.Phone}})
}

type people []person

func (p people) MarshalLogArray(out zapcore.ArrayEncoder) error {
	for _, one := range p {
		if err := out.AppendObject(one); err != nil {
			return err
		}
	}
	return nil
}

// verbose is an error that says more to %+v.
type verbose struct{ text string }

func (v verbose) Error() string { return "refused" }

func (v verbose) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "refused: ", v.text) }

// fieldsWith is a field of every kind with a text or number in it.
func fieldsWith(text string, number int64) map[string][]zap.Field {
	p := person{text}
	return map[string][]zap.Field{
		"string":   {zap.String("k", text)},
		"strings":  {zap.Strings("k", []string{"a", text})},
		"bytes":    {zap.ByteString("k", []byte(text))},
		"binary":   {zap.Binary("k", []byte(text))},
		"stringer": {zap.Stringer("k", p)},
		"error":    {zap.Error(errors.New("for " + text))},
		"named":    {zap.NamedError("k", fmt.Errorf("a: %w", errors.New(text)))},
		"verbose":  {zap.Error(verbose{text})},
		"errors":   {zap.Errors("k", []error{errors.New(text)})},
		"joined":   {zap.Error(errors.Join(errors.New("a"), errors.New(text)))},
		"url":      {zap.Error(&url.Error{Op: "Post", URL: "http://h/?a=" + text})},
		"object":   {zap.Object("k", p)},
		"inline":   {zap.Inline(p)},
		"array":    {zap.Array("k", people{p, p})},
		"dict":     {zap.Dict("k", zap.String("k", text))},
		"any":      {zap.Any("k", map[string]any{"a": []any{text, p, &p}})},
		"struct":   {zap.Any("k", struct{ Phone, Other *string }{Phone: &text})},
		"reflect":  {zap.Reflect("k", json.RawMessage(fmt.Sprintf("%q", text)))},
		"integers": {zap.Int64("k", number), zap.Uint64("l", uint64(number))},
		"float":    {zap.Float64("k", float64(number))},
		"inside":   {zap.Any("k", map[string]int64{"phone": number})},
		"space":    {zap.Namespace("n"), zap.String("k", text)},
		"nested":   {zap.Any("k", []zap.Field{zap.String("k", text)})},
	}
}

// TestNoLineHasANumberOrASecret: whatever it gets in by, the message and With included.
func TestNoLineHasANumberOrASecret(t *testing.T) {
	t.Parallel()
	texts := []string{
		digits, "+254 711 000 111", "0711000111", `{"phone_number":"0711-000-111"}`, secret,
		url.QueryEscape(`{"phone_number":"0711-000-111"}`),
		"redis://user:" + url.PathEscape(secret) + "@h", "token=" + url.QueryEscape(secret),
	}
	for name, encoder := range encoders() {
		for _, text := range texts {
			for kind, fields := range fieldsWith(text, 254711000111) {
				l := logger(encoder.Clone())
				l.Info("batch for "+text, fields...)
				l.With(fields...).Warn("batch")
				l.Sugar().Errorw("batch", "k", text)
				l.Sugar().Errorf("batch %s", text)
				shown := l.out.String()
				require.Contains(t, shown, "batch", "%s %s", name, kind)
				for _, never := range []string{
					digits, "711 000 111", "711000111", "711-000-111", "2.54711000111", "s3cret", "lipad",
				} {
					require.NotContains(t, shown, never, "%s %s %q", name, kind, text)
				}
			}
		}
	}
}

// TestWhatIsNoNumberStays as it was, in its place and of its type.
func TestWhatIsNoNumberStays(t *testing.T) {
	t.Parallel()
	l := logger(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()))
	l.Info("batch recorded", zap.String("batch", "01939393-1111-7111-8111-254711000111"),
		zap.Int("recipients", 1000), zap.Int64("entries", 12345678), zap.Bool("stale", false),
		zap.Duration("wait", 1234567891*time.Nanosecond), zap.Strings("settings", []string{"a=1"}),
		zap.Stringer("phone", airtime.MSISDNFromE164(digits)),
		zap.Stringer("key", config.NewSecret(secret)),
		zap.Error(errors.New("dial tcp 10.244.13.27:6379: connection refused")))
	var line map[string]any
	require.NoError(t, json.Unmarshal(l.out.Bytes(), &line))
	delete(line, "ts")
	require.Equal(t, map[string]any{
		"level": "info", "msg": "batch recorded", "recipients": 1000.0, "entries": 12345678.0,
		"batch": "01939393-1111-7111-8111-254711000111", "stale": false, "wait": 1.234567891,
		"settings": []any{"a=1"}, "phone": "254711•••111", "key": "[secret]",
		"error": "dial tcp 10.244.13.27:6379: connection refused",
	}, line)
}

// TestSecretsAreReadAgainOnlyWhenOneHasChanged: a line must not cost more with every token.
func TestSecretsAreReadAgainOnlyWhenOneHasChanged(t *testing.T) {
	t.Parallel()
	out, read, changes := &bytes.Buffer{}, 0, uint64(0)
	token := "the first token"
	l := zap.New(logs.Masked(zapcore.NewCore(
		zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(out),
		zap.DebugLevel), logs.Secrets{
		List: func() []string {
			read++
			return []string{token}
		},
		Changes: func() uint64 { return changes },
	}))
	for range 100 {
		l.With(zap.String("a", token)).Warn("refused", zap.String("b", token))
	}
	require.Equal(t, 1, read)
	token = "its successor"
	changes++
	for range 100 {
		l.Warn("refused: its successor")
	}
	require.Equal(t, 2, read)
	require.NotContains(t, out.String(), "token")
	require.NotContains(t, out.String(), "successor")
}

// BenchmarkMaskedLine shows that a line costs the same however many secrets there are.
func BenchmarkMaskedLine(b *testing.B) {
	for _, secrets := range []int{8, 1000} {
		b.Run(fmt.Sprint(secrets), func(b *testing.B) {
			var list []string
			for i := range secrets {
				list = append(list, fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)})))
			}
			core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
				zapcore.AddSync(io.Discard), zap.DebugLevel)
			l := zap.New(logs.Masked(core, logs.Secrets{List: func() []string { return list }}))
			for b.Loop() {
				l.Info("request refused", zap.String("request", "01939393-1111-7111-8111-3030"),
					zap.String("route", "POST /v1/disbursals"), zap.Int("status", 401))
			}
		})
	}
}

func TestLevelsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		zapcore.AddSync(&bytes.Buffer{}), zap.WarnLevel)
	l := zap.New(logs.Masked(core, logs.Secrets{List: func() []string { return nil }}))
	require.Equal(t, zap.WarnLevel, l.Level())
	require.Nil(t, l.Check(zap.InfoLevel, "below"))
	require.NotNil(t, l.Check(zap.WarnLevel, "at"))
}

// FuzzMasked: no text makes a line fail, or JSON that cannot be read.
func FuzzMasked(f *testing.F) {
	f.Add("to +254711000111: refused", int64(254711000111))
	f.Add("\x00\xff\"\\u0030", int64(-1))
	f.Fuzz(func(t *testing.T, text string, number int64) {
		for _, fields := range fieldsWith(text, number) {
			l := logger(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()))
			l.Info(text, fields...)
			require.True(t, json.Valid(l.out.Bytes()), "%q", l.out)
		}
	})
}
