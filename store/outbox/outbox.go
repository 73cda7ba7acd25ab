package outbox

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
)

//go:embed commit.lua
var commitSource string

//go:embed swap.lua
var swapSource string

var (
	commitScript = pipeline.NewScript(commitSource)
	swapScript   = pipeline.NewScript(swapSource)
)

// Scripts returns the scripts, which the pipeline must load.
func Scripts() []*pipeline.Script { return []*pipeline.Script{commitScript, swapScript} }

// MaxRecords bounds the notifications kept per team. Beyond, the oldest that are settled are dropped.
const MaxRecords = 500

// Outbox is safe for concurrent use.
type Outbox struct{ redis *pipeline.Pipeline }

// New returns the outbox of a pipeline with these Scripts.
func New(p *pipeline.Pipeline) *Outbox { return &Outbox{redis: p} }

// Channels returns the texts that Swap stored, by name.
func (o *Outbox) Channels(ctx context.Context, team fleet.TeamID) (map[string]string, error) {
	return o.hash(ctx, keys.Channels(team))
}

// Marks returns the marks of commits, by name.
func (o *Outbox) Marks(ctx context.Context, team fleet.TeamID) (map[string]string, error) {
	return o.hash(ctx, keys.Digests(team))
}

func (o *Outbox) hash(ctx context.Context, key string) (map[string]string, error) {
	return pipeline.Fetch(ctx, o.redis, key, func(p redis.Pipeliner) pipeline.Result[map[string]string] {
		return p.HGetAll(context.Background(), key)
	})
}

// Swap replaces the channel or settings called name: before is the text it must have, "" if there must be
// none; after "" deletes it. It returns fleet.Conflict if the text is another one.
func (o *Outbox) Swap(ctx context.Context, team fleet.TeamID, name, before, after string) error {
	status, err := o.redis.RunStatus(ctx, swapScript, []string{keys.Channels(team)}, name, before, after)
	if err == nil && status == 0 {
		return &fleet.Error{Kind: fleet.Conflict, Code: fleet.CodeChanged, Text: "it was changed by someone else meanwhile: load it again"}
	}
	return err
}

// News returns the ids of alerts that are in no notification yet, oldest first.
func (o *Outbox) News(ctx context.Context, team fleet.TeamID, limit int64) ([]string, error) {
	return pipeline.Fetch(ctx, o.redis, keys.News(team), func(p redis.Pipeliner) pipeline.Result[[]string] {
		return p.ZRange(context.Background(), keys.News(team), 0, limit-1)
	})
}

// Queued is a notification that is to be delivered.
type Queued struct {
	ID  string
	Due time.Time
}

// Queue returns what is to be delivered, the first due first.
func (o *Outbox) Queue(ctx context.Context, team fleet.TeamID) ([]Queued, error) {
	due, err := pipeline.Fetch(ctx, o.redis, keys.NoticeQueue(team), func(p redis.Pipeliner) pipeline.Result[[]redis.Z] {
		return p.ZRangeWithScores(context.Background(), keys.NoticeQueue(team), 0, -1)
	})
	queue := make([]Queued, 0, len(due))
	for _, z := range due {
		id, _ := z.Member.(string)
		queue = append(queue, Queued{ID: id, Due: time.UnixMilli(int64(z.Score))})
	}
	return queue, err
}

// Log returns the ids of notifications, newest first, from the one at rank skip on.
func (o *Outbox) Log(ctx context.Context, team fleet.TeamID, skip, limit int64) ([]string, error) {
	return pipeline.Fetch(ctx, o.redis, keys.NoticeOrder(team), func(p redis.Pipeliner) pipeline.Result[[]string] {
		return p.ZRevRange(context.Background(), keys.NoticeOrder(team), skip, skip+limit-1)
	})
}

// Records returns the texts of notifications in the order of ids; "" for one that is gone.
func (o *Outbox) Records(ctx context.Context, team fleet.TeamID, ids []string) ([]string, error) {
	texts := make([]string, len(ids))
	if len(ids) == 0 {
		return texts, nil
	}
	values, err := pipeline.Fetch(ctx, o.redis, keys.Notices(team), func(p redis.Pipeliner) pipeline.Result[[]any] {
		return p.HMGet(context.Background(), keys.Notices(team), ids...)
	})
	for i, v := range values {
		texts[i], _ = v.(string)
	}
	return texts, err
}

// Record is a notification to store.
type Record struct {
	ID      string
	Before  string // its text; "": there must be none
	Text    string
	Created time.Time
	Due     time.Time // zero: it is settled
}

// Change is what Commit does in one step.
type Change struct {
	News    []string // alerts that are dealt with
	Records []Record
	Mark    string // a name for Marks, "": none
	Marked  string // its value
}

// Commit makes a change, and may be repeated. It returns fleet.Conflict, and changes nothing, if one of
// the records has another text than Before.
func (o *Outbox) Commit(ctx context.Context, team fleet.TeamID, c Change) error {
	args := []any{MaxRecords, c.Mark, c.Marked, len(c.News)}
	for _, id := range c.News {
		args = append(args, id)
	}
	for _, r := range c.Records {
		due := ""
		if !r.Due.IsZero() {
			due = millis(r.Due)
		}
		args = append(args, r.ID, r.Before, r.Text, millis(r.Created), due)
	}
	names := []string{keys.Notices(team), keys.NoticeOrder(team), keys.NoticeQueue(team), keys.News(team), keys.Digests(team)}
	status, err := o.redis.RunStatus(ctx, commitScript, names, args...)
	if err == nil && status == 0 {
		return fleet.Errorf(fleet.Conflict, "the notification has changed meanwhile: try again")
	}
	return err
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
