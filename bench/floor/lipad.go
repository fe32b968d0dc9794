package floor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// client speaks just enough of Lipad's language. Answers are searched, not decoded: it only ever
// meets the simulator.
type client struct {
	base  string
	http  *http.Client
	token string
}

func newClient(base string, connections int) *client {
	return &client{base: base, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: connections, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}}}
}

// authenticate fetches the token.
func (c *client) authenticate(ctx context.Context) error {
	const credentials = `{"consumer_key":"bench","consumer_secret":"bench"}`
	answer, err := c.do(ctx, http.MethodPost, "/v1/auth", []byte(credentials), nil)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	token, _ := field(answer, `"access_token":"`, '"')
	if token == nil {
		return errors.New("token: none in the answer")
	}
	c.token = string(token)
	return nil
}

// send posts a request. An error is returned unless Lipad takes it.
func (c *client) send(ctx context.Context, body []byte) error {
	answer, err := c.do(ctx, http.MethodPost, "/v1/gw/airtime/send", body, nil)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if !bytes.Contains(answer, []byte(`"response_code":720`)) {
		return fmt.Errorf("send: refused: %s", answer)
	}
	return nil
}

// status asks about a reference and returns the answer, in the buffer if it is large enough.
func (c *client) status(ctx context.Context, reference string, buffer []byte) ([]byte, error) {
	answer, err := c.do(ctx, http.MethodGet, "/v1/gw/airtime/"+reference+"/status", nil, buffer)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	return answer, nil
}

func (c *client) do(
	ctx context.Context, method, path string, body, buffer []byte,
) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Access-Token", c.token)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // It has been read to its end.
	read := bytes.NewBuffer(buffer[:0])
	if answer.ContentLength > 0 {
		read.Grow(int(answer.ContentLength) + bytes.MinRead)
	}
	if _, err := read.ReadFrom(answer.Body); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %s: %s", answer.Status, strings.TrimSpace(read.String()))
	}
	return read.Bytes(), nil
}

// line is what one line of a status answer says, as it stands there.
type line struct{ phone, amount, status, reference, message []byte }

// readLines finds the values of each line, in the order in which the simulator writes them. An
// error is returned when one is missing.
func readLines(answer []byte, lines []line) ([]line, error) {
	for {
		var one line
		one.phone, answer = field(answer, `"phone_number":"`, '"')
		if one.phone == nil {
			return lines, nil
		}
		one.amount, answer = field(answer, `"amount":`, ',')
		one.status, answer = field(answer, `"service_status":`, ',')
		one.reference, answer = field(answer, `"provider_reference":`, ',')
		one.reference = bytes.Trim(one.reference, `"`)
		one.message, answer = field(answer, `"message":"`, '"')
		if one.message == nil {
			return nil, errors.New("status: a line is not as expected")
		}
		lines = append(lines, one)
	}
}

// field returns what stands between a key and the end of its value, and what follows; nil when the
// key is not there.
func field(text []byte, key string, end byte) (value, rest []byte) {
	_, after, found := bytes.Cut(text, []byte(key))
	if !found {
		return nil, nil
	}
	stop := bytes.IndexByte(after, end)
	if stop < 0 {
		return nil, nil
	}
	return after[:stop:stop], after[stop:]
}
