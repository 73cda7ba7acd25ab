package pipeline

import (
	"context"
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
	{"MOVED", ""},
	{"ASK", ""},
	{"TRYAGAIN", ""},
	{"EXECABORT", ""},
	{"CLUSTERDOWN", "the Redis Cluster is down: start its masters or their replicas"},
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

// misnamed are the replies of a Redis that is of another kind than its URL says.
var misnamed = []struct{ prefix, advice string }{
	{"unknown command 'script'", "a Redis Sentinel answers: let redis.url name the master that it watches (?master_name=NAME)"},
	{"unknown command 'cluster'", "a Redis Sentinel answers, but redis.url names nodes of a Cluster (addr=): add master_name=NAME"},
	{"unknown command 'sentinel'", "redis.url names Sentinels (master_name=), but a Redis answers that is not one: leave master_name out, or name the Sentinels"},
	{"This instance has cluster support disabled", "redis.url names nodes of a Cluster (addr=), but a Redis that is not in cluster mode answers: " +
		"name one server, without addr=, or set cluster-enabled yes there"},
}

// errNoSuchMaster replaces the answer of Sentinels that is like that of Redis for an absent key.
var errNoSuchMaster = errors.New("no Sentinel of redis.url knows a master of this name: correct master_name")

// redirected reports whether a master does not hold a key, or does not have all of a slot that is
// just being moved: the command was not carried out.
func redirected(err error) bool {
	return redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") || redis.HasErrorPrefix(err, "TRYAGAIN")
}

// moved is the outcome of an operation that another master has to carry out.
type moved struct {
	sent  bool // it may have been carried out
	cause error
}

func (m *moved) Error() string { return "the key is on another master: " + m.cause.Error() }

func (m *moved) Unwrap() error { return m.cause }

// errNoMaster is the cause of operations on keys that no master holds.
var errNoMaster = errors.New("no master of the Redis Cluster holds this key: start it or its replica")

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
	case errors.Is(err, errNoMaster):
		return errNoMaster.Error()
	case errors.Is(err, errUncopied):
		return errUncopied.Error()
	case errors.Is(err, errNoSuchMaster):
		return errNoSuchMaster.Error()
	case isReply && advice == "":
		return "redis can't be used at this moment"
	case isReply:
		return advice
	}
	return "redis does not answer"
}

// unavailable returns the error of an operation that is given up.
func unavailable(op Operation, sent bool, cause error) error {
	if d, ok := op.(Doubtful); ok && sent {
		d.Doubt()
	}
	return &fleet.Error{Kind: fleet.Unavailable, Text: Advice(cause), Cause: cause}
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

// Misnamed returns what to do about an error that says that a Redis is of another kind than its URL
// says, or that its Sentinels do not have the master; "" for other errors. Only errors of whole
// connections may be passed: an absent key looks like the latter.
func Misnamed(err error) string {
	for _, m := range misnamed {
		if redis.HasErrorPrefix(err, m.prefix) {
			return m.advice
		}
	}
	if errors.Is(err, redis.Nil) {
		return errNoSuchMaster.Error()
	}
	return ""
}

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

var errClosed = fleet.Errorf(fleet.Unavailable, "the store is closed")

func gaveUp(ctx context.Context) error {
	return fleet.Errorf(fleet.Unavailable, "the store did not answer in time: %w", context.Cause(ctx))
}
