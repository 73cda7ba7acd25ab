package store

import (
	"github.com/muster-iot/muster/store/node"
	"github.com/muster-iot/muster/store/pipeline"
)

// join makes this process one of the nodes that share the store.
func (s *Store) join(o Options) *node.Nodes {
	return node.New(node.Config{
		Role: "all", At: func(key string) (pipeline.Master, error) { return s.core.Master(key) }, Log: o.log(),
		Changed: func(string, bool) {}, Resumed: func() {},
	})
}

// Nodes are the servers that share this store; nil if they may not.
func (s *Store) Nodes() *node.Nodes { return s.nodes }
