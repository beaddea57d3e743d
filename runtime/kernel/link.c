/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/link.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"

#include "base/childsafe.h"

int link_loopback_up(struct dyno_err *err)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(err, ERR_LAUNCH, errno, "open a socket for the loopback");
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return err_set(err, ERR_LAUNCH, errno, "bring up the loopback");
	return 0;
}
