/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_execfile.c - T37: each file that cannot be executed has its sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/util.h"
#include "model/execfile.h"

struct text_case {
	const char *head;
	size_t len;
	uint32_t mode;
	const char *want;
};

#define TEXT(s) (s), sizeof(s) - 1

static void execfile_explain__texts_and_modes__sentence(void **state)
{
	static const struct text_case cases[] = {
		{TEXT(""), S_IFREG | 0755, "is empty"},
		{TEXT("x"), S_IFDIR | 0755, "is a directory"},
		{TEXT("x"), S_IFIFO | 0755, "is not a regular file"},
		{TEXT("#!/bin/sh\n"), S_IFREG | 0644, "has no execute permission (chmod +x)"},
		{TEXT("#!/bin/sh\r\n"), S_IFREG | 0755,
		 "is a script whose first line has a CRLF line end (sed -i 's/\\r$//')"},
		{TEXT("#!\nx"), S_IFREG | 0755, "is a script that names no interpreter after #!"},
		{TEXT("#! /bin/sh -e\n"), S_IFREG | 0755, ""},
		{TEXT("echo hi\n"), S_IFREG | 0755, "is a text without a #! line"},
		{TEXT("\0\1\2"), S_IFREG | 0755, "is of no format that Linux executes"},
		{TEXT("\x7f"
		      "ELF"),
		 S_IFREG | 0755, "is a truncated ELF binary"},
	};
	char buf[256];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct execfile f = {.head = (const unsigned char *)cases[i].head,
					   .len = cases[i].len,
					   .mode = cases[i].mode,
					   .machine = EM_X86_64};

		execfile_explain(&f, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].want);
	}
}

struct elf_image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	char interp[24];
};

static struct elf_image make_elf(uint16_t machine, uint8_t class, uint16_t type)
{
	struct elf_image img = {.interp = "/lib/ld-other.so.1"};

	memcpy(img.eh.e_ident, ELFMAG, SELFMAG);
	img.eh.e_ident[EI_CLASS] = class;
	img.eh.e_machine = machine;
	img.eh.e_type = type;
	img.eh.e_phnum = 1;
	img.eh.e_phentsize = sizeof(img.ph);
	img.eh.e_phoff = offsetof(struct elf_image, ph);
	img.ph.p_type = PT_INTERP;
	img.ph.p_offset = offsetof(struct elf_image, interp);
	img.ph.p_filesz = sizeof("/lib/ld-other.so.1");
	return img;
}

static void explain_elf(const struct elf_image *img, size_t len, char *buf, size_t size)
{
	const struct execfile f = {.head = (const unsigned char *)img,
				   .len = len,
				   .mode = S_IFREG | 0755,
				   .machine = EM_X86_64};

	execfile_explain(&f, buf, size);
	if (!buf[0])
		execfile_needs(&f, buf, size);
}

static void execfile_explain__elf__machine_class_loader(void **state)
{
	struct elf_image img;
	char buf[256];

	(void)state;
	img = make_elf(EM_AARCH64, ELFCLASS64, ET_DYN);
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "is an aarch64 binary, this host is x86_64");
	img = make_elf(EM_X86_64, ELFCLASS32, ET_DYN);
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "is a 32-bit binary, which a dyno does not run");
	img = make_elf(EM_X86_64, ELFCLASS64, ET_REL);
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "is an object file, not a program");
	img = make_elf(EM_X86_64, ELFCLASS64, ET_DYN);
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "/lib/ld-other.so.1");
}

static void execfile_explain__hostile_headers__stay_within_the_head(void **state)
{
	struct elf_image img = make_elf(EM_X86_64, ELFCLASS64, ET_DYN);
	char buf[256];

	(void)state;
	img.eh.e_phoff = UINT64_MAX - 8;
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "");
	img = make_elf(EM_X86_64, ELFCLASS64, ET_DYN);
	img.ph.p_filesz = UINT64_MAX;
	explain_elf(&img, sizeof(img), buf, sizeof(buf));
	assert_string_equal(buf, "");
	img = make_elf(EM_X86_64, ELFCLASS64, ET_DYN);
	explain_elf(&img, sizeof(img.eh) + 3, buf, sizeof(buf));
	assert_string_equal(buf, "");
}

static void execfile_needs__script__its_interpreter(void **state)
{
	static const struct {
		const char *head;
		const char *want;
	} cases[] = {
		{"#! /usr/bin/ruby2.1 -w\n", "/usr/bin/ruby2.1"},
		{"#!/bin/sh", "/bin/sh"},
		{"#!/bin/sh\r\n", "/bin/sh"},
		{"#!\n", ""},
		{"echo", ""},
	};
	char buf[64];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct execfile f = {.head = (const unsigned char *)cases[i].head,
					   .len = strlen(cases[i].head),
					   .mode = S_IFREG | 0755};

		execfile_needs(&f, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(execfile_explain__texts_and_modes__sentence),
		cmocka_unit_test(execfile_explain__elf__machine_class_loader),
		cmocka_unit_test(execfile_needs__script__its_interpreter),
		cmocka_unit_test(execfile_explain__hostile_headers__stay_within_the_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
