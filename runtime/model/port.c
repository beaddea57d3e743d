/* SPDX-License-Identifier: Apache-2.0 */
#include "model/port.h"

#include <errno.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* Bytes of a wrong port that a message shows. */
#define SHOWN_BYTES 32U

int port_parse(const char *text, uint16_t *ret, struct dyno_err *err)
{
	char shown[SHOWN_BYTES];
	uint32_t port;
	int rc;

	rc = num_parse_u32(text, PORT_FIXED_LAST, &port);
	if (rc == 0 && port < PORT_FIXED_FIRST)
		rc = -ERANGE;
	if (rc < 0) {
		(void)err_set(err, ERR_USAGE, -rc, "read port \"%s\"",
			      str_escape(shown, sizeof(shown), text));
		err_hint(err, "a port is a number from %u to %u", PORT_FIXED_FIRST,
			 PORT_FIXED_LAST);
		return rc;
	}
	*ret = (uint16_t)port;
	return 0;
}
