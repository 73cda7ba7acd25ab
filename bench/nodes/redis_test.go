package nodes

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

func TestAnswersToInfoAreSummedUp(t *testing.T) {
	all := info{numbers: map[string]float64{}}
	for _, answer := range []string{
		"# Server\r\nprocess_id:17\r\ntotal_net_input_bytes:40\r\n",
		"process_id:18\r\nredis_mode:cluster\r\ntotal_net_input_bytes:2\r\nempty:\r\n",
	} {
		text, err := readBulk(bufio.NewReader(strings.NewReader(fmt.Sprintf("$%d\r\n%s\r\n", len(answer), answer))))
		if err != nil {
			t.Fatal(err)
		}
		all.add(text)
	}
	if got := all.numbers["total_net_input_bytes"]; got != 42 || fmt.Sprint(all.pids) != "[17 18]" {
		t.Errorf("%v bytes by %v, want 42 by 17 and 18", got, all.pids)
	}
	for _, answer := range []string{"-NOAUTH Authentication required.\r\n", "$5\r\nab", "$-1\r\n", ""} {
		if text, err := readBulk(bufio.NewReader(strings.NewReader(answer))); err == nil {
			t.Errorf("%q was read as %q", answer, text)
		}
	}
}
