package web

import "strings"

// device says in words what a browser calls itself, so that people can tell their own: Firefox on Linux. It is a name and no proof.
func device(userAgent string) string {
	// The more particular first: Edge calls itself Chrome, too, and everybody Safari.
	browser := firstMark(userAgent, [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"SamsungBrowser/", "Samsung Internet"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	})
	system := firstMark(userAgent, [][2]string{
		{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	case userAgent == "":
		return "A browser that gives no name"
	}
	return userAgent
}

// firstMark is the words for the first mark that a text has; empty: it has none.
func firstMark(text string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(text, m[0]) {
			return m[1]
		}
	}
	return ""
}
