/* SPDX-License-Identifier: Apache-2.0 */
#include "model/execfile.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/util.h"

struct machine {
	uint16_t number;
	const char *name;
};

/* Source: elf.h; the names are those of uname -m */
static const struct machine machines[] = {
	{EM_X86_64, "x86_64"},	{EM_AARCH64, "aarch64"}, {EM_386, "i386"},
	{EM_ARM, "32-bit ARM"}, {EM_RISCV, "riscv"},	 {EM_PPC64, "ppc64"},
	{EM_S390, "s390x"},	{EM_MIPS, "mips"},	 {EM_LOONGARCH, "loongarch"},
};

static const char *machine_name(uint16_t number)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].number == number)
			return machines[i].name;
	return "foreign";
}

uint16_t execfile_machine(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#else
	return EM_AARCH64;
#endif
}

/* The loader's path, where the program headers lie within the head. */
static size_t elf_loader(const struct execfile *f, char *buf, size_t size)
{
	Elf64_Ehdr eh;
	size_t i;

	if (f->len < sizeof(eh))
		return 0;
	memcpy(&eh, f->head, sizeof(eh));
	for (i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;
		uint64_t at;

		if (__builtin_mul_overflow(i, (uint64_t)eh.e_phentsize, &at) ||
		    __builtin_add_overflow(at, eh.e_phoff, &at) || at > f->len ||
		    f->len - at < sizeof(ph))
			return 0;
		memcpy(&ph, f->head + at, sizeof(ph));
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_offset >= f->len || ph.p_filesz > f->len - ph.p_offset)
			return 0;
		return str_fmt(buf, size, "%.*s", (int)MIN_OF(ph.p_filesz, (uint64_t)size),
			       (const char *)f->head + ph.p_offset);
	}
	return 0;
}

static size_t explain_elf(const struct execfile *f, char *buf, size_t size)
{
	Elf64_Ehdr eh;

	if (f->len < sizeof(eh))
		return str_fmt(buf, size, "is a truncated ELF binary");
	memcpy(&eh, f->head, sizeof(eh));
	/* e_machine is at the same place in both classes. */
	if (eh.e_machine != f->machine)
		return str_fmt(buf, size, "is an %s binary, this host is %s",
			       machine_name(eh.e_machine), machine_name(f->machine));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64)
		return str_fmt(buf, size, "is a 32-bit binary, which a dyno does not run");
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)
		return str_fmt(buf, size, "is an object file, not a program");
	return 0;
}

/* The "#!" line without the mark and the line end. Return: its length. */
static size_t script_line(const struct execfile *f, const char **ret)
{
	const char *line = (const char *)f->head + 2;
	size_t len = f->len - 2;
	const char *nl = memchr(line, '\n', len);

	if (nl)
		len = (size_t)(nl - line);
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	*ret = line;
	return len;
}

static size_t script_interpreter(const struct execfile *f, char *buf, size_t size)
{
	const char *line;
	size_t len = script_line(f, &line);
	size_t n;

	for (n = 0; n < len && line[n] != ' ' && line[n] != '\t' && line[n] != '\r'; n++)
		;
	return n ? str_fmt(buf, size, "%.*s", (int)MIN_OF(n, size), line) : 0;
}

static size_t explain_script(const struct execfile *f, char *buf, size_t size)
{
	const char *line;
	size_t len = script_line(f, &line);

	if (len && line[len - 1] == '\r')
		return str_fmt(
			buf, size,
			"is a script whose first line has a CRLF line end (sed -i 's/\\r$//')");
	if (len == 0)
		return str_fmt(buf, size, "is a script that names no interpreter after #!");
	return 0;
}

static bool is_elf(const struct execfile *f)
{
	return f->len >= SELFMAG && memcmp(f->head, ELFMAG, SELFMAG) == 0;
}

static bool is_script(const struct execfile *f)
{
	return f->len >= 2 && f->head[0] == '#' && f->head[1] == '!';
}

static bool is_text(const struct execfile *f)
{
	size_t i;

	for (i = 0; i < f->len; i++)
		if (f->head[i] == '\0')
			return false;
	return true;
}

size_t execfile_explain(const struct execfile *f, char *buf, size_t size)
{
	if (size)
		buf[0] = '\0';
	if (S_ISDIR(f->mode))
		return str_fmt(buf, size, "is a directory");
	if (!S_ISREG(f->mode))
		return str_fmt(buf, size, "is not a regular file");
	if (!(f->mode & 0111))
		return str_fmt(buf, size, "has no execute permission (chmod +x)");
	if (f->len == 0)
		return str_fmt(buf, size, "is empty");
	if (is_elf(f))
		return explain_elf(f, buf, size);
	if (is_script(f))
		return explain_script(f, buf, size);
	if (is_text(f))
		return str_fmt(buf, size, "is a text without a #! line");
	return str_fmt(buf, size, "is of no format that Linux executes");
}

size_t execfile_needs(const struct execfile *f, char *buf, size_t size)
{
	if (size)
		buf[0] = '\0';
	if (is_elf(f))
		return elf_loader(f, buf, size);
	if (is_script(f))
		return script_interpreter(f, buf, size);
	return 0;
}
