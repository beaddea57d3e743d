/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack_proto.h - how dyno runs dyno-pack.  Its messages are those of unpack_proto.h: PROGRESS…
 * (input bytes), then DIGEST and DONE, or ERROR.
 *
 *   dyno-pack SECONDS           a slug: every member gets that time, in seconds since the epoch
 *   dyno-pack copy NAME LABEL   a plain tar of one entry of the directory, "." being all of it, under
 *                               another name; see struct copyout_source.  There is no DIGEST
 */
#ifndef DYNO_PACK_PROTO_H
#define DYNO_PACK_PROTO_H

/* Descriptors of the helper: 1 is the slug being written. */
enum pack_fd {
	PACK_FD_CONTROL = 3,
	PACK_FD_DIR = 4, /* the app, O_RDONLY|O_DIRECTORY; for a copy O_PATH will do */
	PACK_FD_COUNT,
};

#define PACK_COPY "copy"

/* The time of members where SOURCE_DATE_EPOCH is not set: 1980-01-01, the first that every archive
 * format knows. */
#define PACK_DEFAULT_TIME "315532800"

#endif
