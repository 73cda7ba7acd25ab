// Package browsertest tests the console of a whole server: with a real browser (build tag
// browser), and over plain HTTP where no script has to run. It has no code of its own.
//
// MUSTER_CHROMIUM names the browser, chromium-headless-shell or chromium by default. MUSTER_SCREENSHOTS=1 also takes
// pictures of the pages for people to look at, into console/testdata/screenshots.
package browsertest
