/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - network interfaces of a namespace; so far the loopback.
 */
#ifndef DYNO_LINK_H
#define DYNO_LINK_H

#include <dyno.h>

/**
 * link_loopback_up() - bring up lo in the caller's network namespace.
 * Return: 0, or -errno with ERR_LAUNCH.
 * Context: [child], with CAP_NET_ADMIN over the namespace
 */
int link_loopback_up(struct dyno_err *err);

#endif
