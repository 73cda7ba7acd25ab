// Package timeline keeps numbers over time in Redis, in bounded room.
//
// A product has one timeline, and some of its groups have one each: sums of numbers in buckets of time, in tiers from fine to coarse. A
// write adds to the newest bucket of every tier, in one script, so a kill loses nothing that was
// written. Writes of several processes add up; a write that is repeated counts once.
//
// A tier is a ring: it drops the bucket that was begun first, whatever its time. So a step of the
// clock moves numbers to where the clock was, and neither drops nor repeats them.
//
// # Bounds
//
// A product has at most 5,051 buckets of at most 1,024 bytes (720 of 10 s, 2,880 of a minute, 720 of
// an hour, 731 of a day), 200 marks of 200 bytes, and for each release in its catalog 300
// points of 200 bytes. That is 5.2 MB, 40 KB and 60 KB a release. Usual is far less: a bucket of a
// product with three versions takes about 60 bytes, all of its tiers about 400 KB.
//
// A group has at most 2,099 buckets of at most 512 bytes (360 of a minute, 288 of ten, 720 of an hour,
// 731 of a day): 1.1 MB, usually about 170 KB. How many groups have one is the caller's choice.
package timeline
