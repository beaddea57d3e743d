/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execfile.h - why the kernel would not execute a file, from its first bytes.  Pure: who opens the
 * file, and where it is, is decided elsewhere.
 */
#ifndef DYNO_EXECFILE_H
#define DYNO_EXECFILE_H

#include <stddef.h>
#include <stdint.h>

/* Enough for the "#!" line (BINPRM_BUF_SIZE, 256) and the program headers of an ELF file. */
#define EXECFILE_HEAD_BYTES 4096U

/**
 * struct execfile - what is known of the file.
 * @head, @len: its first bytes
 * @mode: st_mode
 * @machine: e_machine of this host's own programs (EM_*)
 */
struct execfile {
	const unsigned char *head;
	size_t len;
	uint32_t mode;
	uint16_t machine;
};

/**
 * execfile_explain() - a clause that goes after the file's name: "is an aarch64 binary, this host
 * is x86_64".
 * @buf: empty where there is nothing wrong with the file itself
 * Return: the length of the text.
 */
size_t execfile_explain(const struct execfile *file, char *buf, size_t size);

/**
 * execfile_needs() - the loader of a binary or the interpreter of a script, as the file names it.
 * @buf: any bytes but NUL; cut at @size, empty where the file names none
 * Return: the length of the text.
 */
size_t execfile_needs(const struct execfile *file, char *buf, size_t size);

/** execfile_machine() - EM_* of the architecture this program is built for. */
uint16_t execfile_machine(void);

#endif
