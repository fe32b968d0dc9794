package sandbox

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
)

// fields are the top fields of a request body that may be a form or JSON. A form holds lists as
// JSON text.
type fields struct {
	form url.Values
	json map[string]json.RawMessage
}

// readFields reads a body by its content type. An error is returned when it is neither a form nor a
// JSON object.
func readFields(r *http.Request, body []byte) (fields, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return fields{}, errors.New("the request's Content-Type is missing")
	}
	switch kind {
	case "application/json":
		var f fields
		if err := json.Unmarshal(body, &f.json); err != nil || f.json == nil {
			return fields{}, errors.New("the request content was malformed: want a JSON object")
		}
		return f, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return fields{}, errors.New("the request content was malformed: want a form")
		}
		return fields{form: form}, nil
	default:
		return fields{}, errors.New("the request's Content-Type is not supported: want " +
			"application/x-www-form-urlencoded or application/json")
	}
}

// has says whether a field is there.
func (f fields) has(name string) bool {
	_, inJSON := f.json[name]
	return inJSON || f.form.Has(name)
}

// text returns a field of text, "" when it is missing or no text.
func (f fields) text(name string) string {
	var text string
	if raw, found := f.json[name]; found && json.Unmarshal(raw, &text) == nil {
		return text
	}
	return f.form.Get(name)
}

// list decodes a field that is a list. An error is returned when it is none.
func (f fields) list(name string, into any) error {
	if raw, found := f.json[name]; found {
		return json.Unmarshal(raw, into)
	}
	return json.Unmarshal([]byte(f.form.Get(name)), into)
}
