// Package mqtt is the MQTT packets that Muster itself writes, on either side, in versions
// 3.1.1 and 5: the broker's PUBLISH, the light client of simulator/mqttlite, and those of
// tests. It also takes apart the packets that a light client receives, and carries MQTT over
// a WebSocket. What the server reads from devices is decoded by the broker's library.
package mqtt
