/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_wire.h - what both ends of a control socket share: its address, and descriptors in a packet.
 * Only ctl.c and ctl_client.c include it.
 */
#ifndef DYNO_CTL_WIRE_H
#define DYNO_CTL_WIRE_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/ctl.h"

/* CTL_FDS_MAX descriptors fill it to the last byte: the kernel closes whatever comes beyond. */
union ctl_control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int) * CTL_FDS_MAX)];
};

_Static_assert(CMSG_SPACE(sizeof(int) * CTL_FDS_MAX) == CMSG_LEN(sizeof(int) * CTL_FDS_MAX),
	       "no room for one more descriptor in the padding");

/** ctl_address() - the socket in a directory, by a path that fits wherever that is. */
void ctl_address(struct sockaddr_un *ret, int dir_fd);

/** ctl_attach() - put descriptors into a message; none are attached where @n is 0.
 * @control: borrowed until it was sent */
void ctl_attach(struct msghdr *msg, union ctl_control *control, const int *fds, size_t n);

/** ctl_detach() - the descriptors of a received message, which are the caller's.
 * Return: how many. */
size_t ctl_detach(struct msghdr *msg, int fds[CTL_FDS_MAX]);

/** ctl_close_fds() - close those that are still there. */
void ctl_close_fds(int *fds, size_t n);

#endif
