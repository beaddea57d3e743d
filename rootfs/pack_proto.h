/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack_proto.h - how dyno runs dyno-pack.  Its messages are those of unpack_proto.h: PROGRESS…
 * (input bytes), then DIGEST and DONE, or ERROR.  Its one argument is the time that every member
 * gets, in seconds since the epoch.
 */
#ifndef DYNO_PACK_PROTO_H
#define DYNO_PACK_PROTO_H

/* Descriptors of the helper: 1 is the slug being written. */
enum pack_fd {
	PACK_FD_CONTROL = 3,
	PACK_FD_DIR = 4, /* the app, O_RDONLY|O_DIRECTORY */
	PACK_FD_COUNT,
};

/* The time of members where SOURCE_DATE_EPOCH is not set: 1980-01-01, the first that every archive
 * format knows. */
#define PACK_DEFAULT_TIME "315532800"

#endif
