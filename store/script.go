package store

import (
	"embed"
	"slices"

	"github.com/muster-iot/muster/store/alert"
	"github.com/muster-iot/muster/store/claim"
	"github.com/muster-iot/muster/store/document"
	"github.com/muster-iot/muster/store/outbox"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/repeat"
	"github.com/muster-iot/muster/store/stream"
	"github.com/muster-iot/muster/store/timeline"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var (
	saveScript   = pipeline.NewScript(lua("save"))
	createScript = pipeline.NewScript(lua("create"))
	deleteScript = pipeline.NewScript(lua("delete"))
	queueScript  = pipeline.NewScriptAskingRetry(lua("queue"))
	finishScript = pipeline.NewScript(lua("finish"))
	expireScript = pipeline.NewScript(lua("expire"))
)

// scripts are all scripts, for the pipeline to load.
var scripts = slices.Concat([]*pipeline.Script{
	saveScript, createScript, deleteScript, document.Script, stream.Script,
	queueScript, finishScript, expireScript,
}, claim.Scripts(), alert.Scripts(), outbox.Scripts(), repeat.Scripts(), timeline.Scripts())

func lua(name string) string {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return string(source)
}
