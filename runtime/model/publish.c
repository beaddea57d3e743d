/* SPDX-License-Identifier: Apache-2.0 */
#include "model/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "model/procfile.h"

static int not_of_the_form(const char *text, struct dyno_err *err)
{
	char shown[64];

	(void)err_set(err, ERR_USAGE, EINVAL, "publish \"%s\"",
		      str_escape(shown, sizeof(shown), text));
	err_hint(err, "it is [ADDRESS:]PORT[=TYPE], such as 8080, 127.0.0.1:8080=web, [::1]:8080, "
		      "or 5000+ for the first free one");
	return -EINVAL;
}

/* Numeric addresses alone: a name may change between two starts. */
static bool is_address(const char *text, bool v6)
{
	struct in6_addr addr;

	return inet_pton(v6 ? AF_INET6 : AF_INET, text, &addr) == 1;
}

/* What stands before the last colon. Return: 0 or -EINVAL. */
static int take_address(const char *text, size_t len, struct publish *p)
{
	bool v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';

	if (v6) {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(p->address))
		return -EINVAL;
	memcpy(p->address, text, len);
	p->address[len] = '\0';
	return is_address(p->address, v6) ? 0 : -EINVAL;
}

static int take_port(const char *text, size_t len, struct publish *p)
{
	char digits[8];
	uint32_t port;

	if (len > 0 && text[len - 1] == '+') {
		p->search = true;
		len--;
	}
	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (num_parse_u32(digits, UINT16_MAX, &port) < 0 || port == 0)
		return -EINVAL;
	p->port = (uint16_t)port;
	return 0;
}

int publish_parse(const char *text, struct publish *ret, struct dyno_err *err)
{
	const size_t len = strcspn(text, "=");
	const char *type = text[len] ? text + len + 1 : PROC_TYPE_WEB;
	const char *colon = memrchr(text, ':', len);
	struct publish p = {0};
	size_t before = colon ? (size_t)(colon - text) : 0;

	if ((colon && take_address(text, before, &p) < 0) ||
	    take_port(text + (colon ? before + 1 : 0), len - (colon ? before + 1 : 0), &p) < 0)
		return not_of_the_form(text, err);
	if (!type[0] || str_fmt(p.type, sizeof(p.type), "%s", type) >= sizeof(p.type))
		return not_of_the_form(text, err);
	*ret = p;
	return 0;
}

char *publish_where(const struct publish *p, char buf[PUBLISH_TEXT_BYTES])
{
	const bool v6 = strchr(p->address, ':');

	(void)str_fmt(buf, PUBLISH_TEXT_BYTES, "%s%s%s%s%u", v6 ? "[" : "", p->address,
		      v6 ? "]" : "", p->address[0] ? ":" : "", (unsigned int)p->port);
	return buf;
}

bool publish_is_off(const char *text)
{
	return str_eq(text, "none");
}
