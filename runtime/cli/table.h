/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - columns for people: as wide as what stands in them, and where a line would be too long
 * they give way, the last one first: it is cut, and left out if that is not enough and it may be.
 */
#ifndef DYNO_CLI_TABLE_H
#define DYNO_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "cli/output.h"

/* Columns of a line where no terminal says otherwise. */
#define TABLE_LINE_COLUMNS 80
#define TABLE_COLUMNS_MAX  16
#define TABLE_GAP	   2

/**
 * struct table_column - one column.
 * @heading: its first row
 * @least: it is cut down to this width; 0: never
 * @keep_end: of what is cut the end stays, not the beginning
 * @width: it is never less wide than this for want of something to show: a table that is printed
 *         again and again stands still
 * @right: numbers, which end where the column ends
 * @first: it is cut before all others, wherever it stands
 * @optional: it is left out where there is still no room for it once it was cut
 */
struct table_column {
	const char *heading;
	size_t least;
	bool keep_end;
	size_t width;
	bool right;
	bool first;
	bool optional;
};

/**
 * struct table_cell - one cell.
 * @text: valid UTF-8 without control bytes; borrowed
 */
struct table_cell {
	const char *text;
	enum output_style style;
};

/**
 * struct table - set @arena, @columns and @n_columns, then add rows.
 * @n_columns: at most TABLE_COLUMNS_MAX
 * @gap: blanks between two columns; 0: TABLE_GAP
 * @cells: row by row
 * @no_memory: a row could not be kept
 */
struct table {
	struct arena *arena;
	const struct table_column *columns;
	size_t n_columns;
	size_t gap;
	struct table_cell *cells;
	size_t rows;
	size_t cap;
	bool no_memory;
};

/** table_row() - a new row of empty cells. Return: NULL without memory; @no_memory remembers it. */
struct table_cell *table_row(struct table *t);

/**
 * table_print() - headings and rows, each of them a line.
 * @line: columns that a line may take; those neither cut nor left out may exceed it
 * Return: 0 or -ENOMEM.
 */
int table_print(const struct table *t, size_t line, bool color, struct sbuf *b);

/** table_line() - columns of the terminal behind @fd, else TABLE_LINE_COLUMNS. */
size_t table_line(int fd);

#endif
