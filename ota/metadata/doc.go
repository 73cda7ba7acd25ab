// Package metadata reads what a firmware image states about itself: version, hardware,
// security counter and so on, and verifies the checksums it carries.
//
// It reads application images of ESP-IDF, images for MCUboot, and UF2. Images are input from
// outside: every length in them is checked, and Read needs at most about 200 KiB of memory
// and reads the image three times at most.
package metadata
