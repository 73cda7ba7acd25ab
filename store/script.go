package store

import (
	"embed"
	"slices"

	"github.com/muster-iot/muster/store/alert"
	"github.com/muster-iot/muster/store/claim"
	"github.com/muster-iot/muster/store/command"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/feed"
	"github.com/muster-iot/muster/store/journal"
	"github.com/muster-iot/muster/store/namesake"
	"github.com/muster-iot/muster/store/outbox"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/repeat"
	"github.com/muster-iot/muster/store/stream"
	"github.com/muster-iot/muster/store/timeline"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	saveScripts   = scriptsOf("save")
	createScripts = scriptsOf("create")
	deleteScripts = scriptsOf("delete")
)

// scripts are all scripts, for the pipeline to load.
var scripts = slices.Concat([]*pipeline.Script{
	document.Script, namesake.Script, stream.Script,
}, saveScripts[:], createScripts[:], deleteScripts[:], feed.Scripts(), claim.Scripts(), command.Scripts(), alert.Scripts(), journal.Scripts(), outbox.Scripts(), repeat.Scripts(), timeline.Scripts())

// scriptsOf returns a script that writes a record, and the same with an entry in the feed.
func scriptsOf(name string) [2]*pipeline.Script {
	return [2]*pipeline.Script{pipeline.NewScript(lua(name)), feed.Noting(lua(name))}
}

func lua(name string) string {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return string(source)
}
