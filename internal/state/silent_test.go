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

	"tuma/internal/state"
)

// TestASilentRedisIsNotCalledForgetful: a Redis that stops answering between two questions has said
// nothing about its settings.
func TestASilentRedisIsNotCalledForgetful(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go answerPings(connection)
		}
	}()
	_, err = state.Open(context.Background(), state.Options{
		URL: "redis://" + listener.Addr().String() + "?max_retries=-1",
	})
	require.ErrorContains(t, err, "does not answer")
	require.NotErrorIs(t, err, state.ErrForgetful)
}

// answerPings answers PING, knows no other command, and hangs up when it is asked for a setting.
func answerPings(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	reader := bufio.NewReader(connection)
	for {
		command, err := readCommand(reader)
		answer := "-ERR unknown command\r\n"
		switch command {
		case "PING":
			answer = "+PONG\r\n"
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
