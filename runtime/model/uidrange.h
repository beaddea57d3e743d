/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uidrange.h - arithmetic of user ids: the host's range for dynos, its slots of 65536, and the id
 * of a slug's owner inside.  Which slot is free is not known here.
 *
 * The default range must be nobody else's.  Taken on a usual host are: 0-65535 (users, homed,
 * dynamic users), 100000-600100000 (subuid defaults, login.defs(5)), 524288-1879048191 (systemd's
 * container range), 200000-2000200000 (SSSD's default id mapping, sssd-ad(5)),
 * 2147352576-2147418111 (systemd's foreign range) and everything from 2^31 on, where programs with
 * signed ids fail.  Source: systemd, docs/UIDS-GIDS.md.  What is left is 2000200001-2147352575;
 * the default is 2048 whole slots of it.
 */
#ifndef DYNO_UIDRANGE_H
#define DYNO_UIDRANGE_H

#include <stdint.h>

#include <dyno.h>

/* Ids of one dyno.  Source: the kernel's 16-bit uid space, as every container tool maps it. */
#define UIDRANGE_SLOT_IDS      65536U

#define UIDRANGE_DEFAULT_FIRST 0x77400000U
#define UIDRANGE_DEFAULT_COUNT 0x08000000U

/* The owner of a slug's tree, inside.  Source: DESIGN 5; CONTRACT 1.10 (herokuish: RANDOM + 1000);
 * 60000 and up belong to homed and dynamic users. */
#define UID_APP_FIRST 1000U
#define UID_APP_LAST  59999U

/**
 * struct uidrange - host ids for dynos.
 * @first: a multiple of nothing in particular, but at least UIDRANGE_SLOT_IDS
 * @count: a multiple of UIDRANGE_SLOT_IDS, at least one
 */
struct uidrange {
	uint32_t first;
	uint32_t count;
};

#define UIDRANGE_DEFAULT ((struct uidrange){UIDRANGE_DEFAULT_FIRST, UIDRANGE_DEFAULT_COUNT})

/**
 * uidrange_parse() - "FIRST:COUNT" in decimal.
 * @text: NULL stands for the default
 * Errors: -EINVAL (ERR_USAGE): not that form, FIRST under 65536, COUNT not a multiple of 65536 or
 * 0, or ids past 2^32 - 2 (2^32 - 1 is no id: chown(2) takes it for "leave as it is").
 */
int uidrange_parse(const char *text, struct uidrange *ret, struct dyno_err *err);

/** uidrange_slots() - how many dynos the range serves at once. */
static inline uint32_t uidrange_slots(const struct uidrange *range)
{
	return range->count / UIDRANGE_SLOT_IDS;
}

/** uidrange_slot_first() - host id of id 0 of slot @slot, which is < uidrange_slots(). */
static inline uint32_t uidrange_slot_first(const struct uidrange *range, uint32_t slot)
{
	return range->first + slot * UIDRANGE_SLOT_IDS;
}

/**
 * uid_for_digest() - the owner of a slug's tree, the same for the same slug for ever.
 * @digest: 32 bytes of SHA-256
 * Return: UID_APP_FIRST .. UID_APP_LAST.
 */
uint32_t uid_for_digest(const uint8_t digest[32]);

#endif
