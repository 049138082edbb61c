// Package browsertest holds tests of the pages for people in a real Chromium, against a real gateway. They run with CANDOR_BROWSER=1;
// with CANDOR_SCREENSHOTS=FOLDER they leave pictures of the pages there.
package browsertest
