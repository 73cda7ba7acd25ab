package pipeline

import (
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/record"
)

// causes are the replies of Redis that stand for a state which passes, or which an operator
// can end, by how they begin. advice is what to do about it; "" for states that pass.
var causes = []struct{ prefix, advice string }{
	{"NOSCRIPT", ""},
	{"LOADING", "redis is still reading its file"},
	{"BUSY", "redis is busy with a script of another client"},
	{"TRYAGAIN", ""},
	{"EXECABORT", ""},
	{"CLUSTERDOWN", ""},
	{"MASTERDOWN", "this redis is a replica without its master: let the URL name the master"},
	{"READONLY", "this redis is a replica, which takes no writes: let the URL name the master, or promote it (REPLICAOF NO ONE)"},
	{"OOM", "redis is out of memory: raise its maxmemory or give it more"},
	{"MISCONF", "redis can't write its file: look at its disk and its log"},
	{"NOREPLICAS", "redis misses its replicas (min-replicas-to-write): start them, or lower that number"},
	{"max number of clients", "redis has too many clients: raise its maxclients"},
	{"NOAUTH", "redis wants a password: put it into the URL (redis.url)"},
	{"WRONGPASS", "redis does not take the password of the URL (redis.url): correct it"},
	{"NOPERM", missingRight},
	{"The user executing the script", missingRight}, // Redis 7.0
	{"ACL failure in script", missingRight},         // since 7.2
}

const missingRight = "redis denies its user a right that Muster needs: grant it all commands on all keys (ACL SETUSER name +@all ~* &*)"

// Transient reports whether err may go away by itself or by what an operator does: the
// connection broke, or the state of Redis is one of causes. Errors of fleet and of broken
// records never do.
func Transient(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) || errors.As(err, new(*fleet.Error)) || errors.Is(err, record.ErrBroken) {
		return false
	}
	if !errors.As(err, new(redis.Error)) {
		return true
	}
	_, known := adviceFor(err)
	return known
}

// Denied reports whether Redis does not let this process in, or not do what it needs: waiting
// does not help.
func Denied(err error) bool {
	return redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOPERM")
}

// Advice returns what an operator can do about a transient error, without what only the log may
// show, such as addresses.
func Advice(err error) string {
	var foreign *Foreign
	advice, isReply := adviceFor(err)
	switch {
	case errors.As(err, &foreign):
		return foreign.Text
	case isReply && advice == "":
		return "redis can't be used at this moment"
	case isReply:
		return advice
	}
	return "redis does not answer"
}

// Explain returns a transient error with what an operator can do about it.
func Explain(err error) error {
	if errors.As(err, new(*Foreign)) {
		return err
	}
	return fmt.Errorf("%s: %w", Advice(err), err)
}

// Refused returns fleet.Unavailable for a reply of Redis that is an error but none of causes:
// whatever it is, it is neither the fault of a device nor of a request. Other errors, and nil,
// are returned as they are.
func Refused(err error) error {
	if err == nil || errors.Is(err, redis.Nil) || errors.As(err, new(*fleet.Error)) || !errors.As(err, new(redis.Error)) {
		return err
	}
	return &fleet.Error{Kind: fleet.Unavailable, Text: "redis refuses a command: look at its log and its configuration", Cause: errors.Join(errRefused, err)}
}

var errRefused = errors.New("refused")

func adviceFor(err error) (advice string, known bool) {
	for _, c := range causes {
		if redis.HasErrorPrefix(err, c.prefix) {
			return c.advice, true
		}
	}
	return "", false
}

// Foreign is the error of a Redis that does not hold what this process keeps there. Nothing is
// read from it or written to it.
type Foreign struct{ Text string }

func (f *Foreign) Error() string { return f.Text }
