// Package chunkio writes a device's connection: whole packets, and between them the chunks
// of firmware that are queued for the device. Of MQTT it uses only the header that
// its owner puts before each chunk.
//
// Writer is the connection's one writer (writer.go). Its queue of chunks and the states of
// its sender are in queue.go, with the state table; send.go is what the connection's reader
// and the sender's goroutine do in them, and batch.go the writes they make. Conn is the
// transport below (conn.go): deadlines that follow progress, and on Linux the system calls
// that bypass Go's scheduler (docs/adr/0009), which no other package makes.
package chunkio
