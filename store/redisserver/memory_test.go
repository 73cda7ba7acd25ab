package redisserver

import (
	"io"
	"testing"
	"time"
)

func TestARedisInThisProcessIsWaitedForHoweverLateItAnswers(t *testing.T) {
	m := NewMemory()
	defer m.Close()
	conn, err := m.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "*1\r\n$4\r\nPING\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("+PONG\r\n"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("got %q, %v; want the answer", answer, err)
	}
}
