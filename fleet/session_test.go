package fleet

import (
	"testing"
	"time"
)

func TestANumberOfASessionIsNotGivenTwice(t *testing.T) {
	t.Parallel()
	d := Device{Session: 7} // of a release whose numbers counted from 1
	lost := d
	lost.Supersede()
	time.Sleep(time.Microsecond) //nolint:forbidigo // the unit of the numbers
	d.Supersede()                // after Redis has lost the other
	if lost.Session <= 7 || d.Session <= lost.Session {
		t.Errorf("got %d and, after it was lost, %d", lost.Session, d.Session)
	}
	d.Session = 1 << 62 // of a clock that was wrong
	if d.Supersede(); d.Session != 1<<62+1 {
		t.Errorf("got %d, want the next one", d.Session)
	}
}
