package state_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestASilentRedisIsNotCalledForgetful: a Redis that stops answering between two questions has said
// nothing about its settings.
func TestASilentRedisIsNotCalledForgetful(t *testing.T) {
	t.Parallel()
	_, err := state.Open(context.Background(), state.Options{
		Options: redisconn.Options{URL: "redis://" + pinged(t, "+PONG\r\n") + "?max_retries=-1"},
	})
	require.ErrorContains(t, err, "does not answer")
	require.NotErrorIs(t, err, state.ErrForgetful)
}

// TestWhatRedisSaysInsteadOfAnAnswerIsTold: it does answer, and says what is wrong.
func TestWhatRedisSaysInsteadOfAnAnswerIsTold(t *testing.T) {
	t.Parallel()
	for answer, told := range map[string]string{
		"-MISCONF Errors writing to the AOF file: No space left on device\r\n": "cannot write to its " +
			"disk, and refuses everything until it can: MISCONF Errors writing to the AOF file: No space",
		"-NOPERM this user has no permissions\r\n": "answers with an error: NOPERM this user has",
	} {
		_, err := state.Open(t.Context(), state.Options{
			Options: redisconn.Options{URL: "redis://" + pinged(t, answer) + "?max_retries=-1"},
		})
		require.ErrorContains(t, err, told)
		require.NotContains(t, err.Error(), "does not answer")
	}
	url, _ := redistest.Shared(t)
	_, err := state.Open(t.Context(), state.Options{
		Options: redisconn.Options{URL: strings.Replace(url, "redis://", "rediss://", 1) + "?max_retries=-1&dial_timeout=200ms"},
	})
	require.ErrorContains(t, err, "speaks no TLS there: use redis://, or the port where it does")
}

// pinged is the address of a Redis that answers PING so, knows no other command, and hangs up when
// it is asked for a setting.
func pinged(t *testing.T, answer string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go answerPings(connection, answer)
		}
	}()
	return listener.Addr().String()
}

func answerPings(connection net.Conn, ping string) {
	defer func() { _ = connection.Close() }()
	reader := bufio.NewReader(connection)
	for {
		command, err := readCommand(reader)
		answer := "-ERR unknown command\r\n"
		switch command {
		case "PING":
			answer = ping
		case "HGET": // Which layout? None.
			answer = "$-1\r\n"
		case "EXISTS":
			answer = ":0\r\n"
		}
		if err != nil || command == "CONFIG" {
			return
		}
		if _, err := io.WriteString(connection, answer); err != nil {
			return
		}
	}
}

// readCommand reads a request and returns its first word.
func readCommand(reader *bufio.Reader) (string, error) {
	head, err := reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	words, err := strconv.Atoi(strings.Trim(head, "*\r\n"))
	command := ""
	for i := 0; i < words && err == nil; i++ {
		if _, err = reader.ReadString('\n'); err != nil { // Its length; no word here has a line end.
			break
		}
		var word string
		word, err = reader.ReadString('\n')
		if i == 0 {
			command = strings.ToUpper(strings.TrimSpace(word))
		}
	}
	return command, err
}
