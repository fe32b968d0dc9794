package console

import (
	_ "embed"
	"net/http"
	"sync"

	"golang.org/x/text/language"
	"gopkg.in/yaml.v3"
)

//go:embed words.yaml
var wordsFile []byte

// words are the texts of the pages in one language, by key.
type words struct {
	Language string
	texts    map[string]string
}

// of returns a text; a key that there is not shows as itself.
func (w *words) of(key string) string {
	if text, found := w.texts[key]; found {
		return text
	}
	return key
}

// languages are those of the file; the first is for browsers that ask for another one.
var languages = []language.Tag{language.English, language.Swahili}

// allWords reads the file: language -> key -> text.
var allWords = sync.OnceValue(func() map[string]map[string]string {
	var all map[string]map[string]string
	if err := yaml.Unmarshal(wordsFile, &all); err != nil {
		panic(err) // The file is embedded, and read by a test.
	}
	return all
})

// wordsFor chooses the language that the browser likes best.
func wordsFor(r *http.Request) *words {
	_, index := language.MatchStrings(language.NewMatcher(languages), r.Header.Get("Accept-Language"))
	name := languages[index].String()
	return &words{Language: name, texts: allWords()[name]}
}
