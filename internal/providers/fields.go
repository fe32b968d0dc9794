package providers

import (
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Fields are the fields of a callback by name, whatever their type was.
type Fields map[string]Scalar

// Get returns a field without the white space around it; "None", in any case, is the empty text:
// providers write it for what is not there.
func (f Fields) Get(name string) string {
	text := f[name].Trimmed()
	if strings.EqualFold(text, "none") {
		return ""
	}
	return text
}

// ID returns a field that holds an id, empty when there is none. An error that names the field is
// returned for what CleanID does not take.
func (f Fields) ID(name string) (string, error) {
	id, clear := CleanID(string(f[name]))
	if !clear {
		return "", fmt.Errorf("%s: longer than %d bytes, or with characters that cannot be printed",
			name, MaxID)
	}
	return id, nil
}

// ReadFields reads a JSON object or a form, as the media type says or, when that says neither, as
// the first byte does: deployments receive both. A body that begins as an object is one even when
// it calls itself a form. An error is returned when the body is neither, or gives a field two
// values; it repeats nothing of the body but that field's name.
func ReadFields(mediaType string, body []byte) (Fields, error) {
	body = unmarked(body)
	kind, _, _ := mime.ParseMediaType(mediaType)
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json")
	if isJSON || FirstByte(body) == '{' {
		var f Fields
		switch err := Decode(body, &f); {
		case errors.Is(err, jsontext.ErrDuplicateName):
			return nil, errors.New("a field is given twice")
		case err != nil || f == nil:
			return nil, errors.New("the body is no JSON object")
		}
		return f, nil
	}
	values, err := url.ParseQuery(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, errors.New("the body is no form")
	}
	f := make(Fields, len(values))
	for name, given := range values {
		for _, other := range given[1:] {
			if other != given[0] {
				return nil, fmt.Errorf("%q: given twice", Clean(name))
			}
		}
		f[name] = Scalar(given[0])
	}
	return f, nil
}
