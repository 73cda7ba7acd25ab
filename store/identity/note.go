package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// note is what the data folder keeps of its store, in the file of this name.
type note struct {
	ID    string `json:"id"`
	Epoch uint64 `json:"epoch"` // of the last start on this folder
}

const noteName = "store.json"

// readNote returns the note of a folder, an empty one if it has none.
func readNote(folder string) (n note, err error) {
	if folder == "" {
		return n, nil
	}
	path := filepath.Join(folder, noteName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, fmt.Errorf("the file that names this folder's store can't be read: %s: %w", path, err)
	}
	return n, nil
}

// write replaces the note of a folder, durably and in one step.
func (n note) write(folder string) error {
	if folder == "" {
		return nil
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := replace(folder, append(text, '\n')); err != nil {
		return fmt.Errorf("the file that names this folder's store: %w", err)
	}
	return nil
}

func replace(folder string, text []byte) error {
	file, err := os.CreateTemp(folder, noteName+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, noteName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
