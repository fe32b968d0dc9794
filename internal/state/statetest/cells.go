package statetest

// Cell says where one recipient of a stored chunk stands.
type Cell struct {
	// Status and Provider are codes.
	Status, Provider byte
	// Location is the id of a batch, or "+", the provider's code and the number of a pending entry.
	Location string
}

// CellWidth is the length of a stored cell.
const CellWidth = 4

// Cells reads the rows of a chunk with its locations.
func Cells(rows string, locations map[string]string) []Cell {
	cells := make([]Cell, len(rows)/CellWidth)
	for i := range cells {
		text := rows[i*CellWidth : (i+1)*CellWidth]
		cells[i] = Cell{text[0], text[1], locations[text[2:]]}
	}
	return cells
}
