package main

import (
	"embed"
	"strings"
)

// A topic is explained by "help TOPIC".
type topic struct {
	name, summary string
	text          string
}

//go:embed topics
var topicFiles embed.FS

// topics in the order in which help shows them. The first line of a file is its summary.
func topics() []topic {
	var all []topic
	for _, name := range []string{"boards", "emulation", "caches", "air-gap"} {
		data, err := topicFiles.ReadFile("topics/" + name + ".txt")
		if err != nil {
			panic(err) // it is compiled in
		}
		summary, text, _ := strings.Cut(string(data), "\n")
		all = append(all, topic{name, summary, strings.TrimPrefix(text, "\n")})
	}
	return all
}

func findTopic(name string) (topic, bool) {
	for _, t := range topics() {
		if t.name == name {
			return t, true
		}
	}
	return topic{}, false
}
