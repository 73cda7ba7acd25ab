package store

import (
	"crypto/sha1" // what Redis names scripts by, not a protection
	"embed"
	"encoding/hex"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script is one atomic operation, known to Redis by the SHA-1 of its text.
type script struct{ source, sha string }

var (
	saveScript     = loadScript("save")
	createScript   = loadScript("create")
	documentScript = loadScript("document")
	claimScript    = loadScript("claim")
	unclaimScript  = loadScript("unclaim")
	appendScript   = loadScript("append")
	queueScript    = loadScript("queue")
	finishScript   = loadScript("finish")
	expireScript   = loadScript("expire")
	raiseScript    = loadScript("raise")
	archiveScript  = loadScript("archive")
	takeScript     = loadScript("take")
	settleScript   = loadScript("settle")
)

// scripts are all of them, to be loaded when Redis has forgotten them.
var scripts = []*script{
	saveScript, createScript, documentScript, claimScript, unclaimScript, appendScript,
	queueScript, finishScript, expireScript, raiseScript, archiveScript, takeScript, settleScript,
}

func loadScript(name string) *script {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum(source)
	return &script{source: string(source), sha: hex.EncodeToString(sum[:])}
}
