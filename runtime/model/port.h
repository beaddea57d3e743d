/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h (model) - which numbers $PORT may have.  Reserving one is done in the kernel layer.
 *
 * With the host's network the range must not be one from which the kernel gives out ports of its
 * own accord (ip_local_port_range, 32768-60999 by default: a client socket could take the port
 * between its choice and the app's bind), nor 30000-32767 (NodePorts of Kubernetes).  Like
 * Heroku's (22517 ... 57700 seen, CONTRACT 3.6) the numbers are high and never to be relied on.
 */
#ifndef DYNO_MODEL_PORT_H
#define DYNO_MODEL_PORT_H

#include <stdint.h>

/* Source: ip(7), ip_local_port_range; see above. */
#define PORT_FIRST 20000U
#define PORT_LAST  29999U
#define PORT_COUNT (PORT_LAST - PORT_FIRST + 1)

/** port_nth() - the @n-th port of the range, round and round; @n may be random. */
static inline uint16_t port_nth(uint32_t n)
{
	return (uint16_t)(PORT_FIRST + n % PORT_COUNT);
}

#endif
