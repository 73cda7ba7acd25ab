// Package simulator is a fleet of devices in one process: the client side of the device
// protocol, with faults, progress and a verdict. It hides how a device behaves and how
// its packets travel; it uses nothing but the protocol, so it can be aimed at
// any deployment.
//
// A device is one state machine (model.go and the files named after its parts) that
// neither blocks nor reads a clock. device.go drives it over a connection, of which there
// are three kinds: eclipse/paho (paho.go), faithful, about 40 KB each; simulator/mqttlite,
// on one goroutine, about 5 KB each; and for BLE devices those of simulator/ble, through a
// gateway. Fleet runs many devices; Verdict reports whether each runs what it should.
package simulator
