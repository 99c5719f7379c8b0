/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/adopt_order.h"

#include <limits.h>

#include "cli/cli.h"
#include "io/config/secret.h"

#define ADOPT_PORT 3306
#define ADOPT_USER "root"
#define ADOPT_SECONDS_MAX 86400

int adopt_order_place(const struct cli *cli, const char *text, size_t n, struct adopt_place *p)
{
    const char *end = text + n;
    const char *host = text, *colon = NULL;
    size_t length = n;
    char *after = NULL;
    unsigned long port = ADOPT_PORT;
    if (n > 0 && text[0] == '[' && memchr(text, ']', n) != NULL) {
        const char *close = memchr(text, ']', n);
        host = text + 1;
        length = (size_t)(close - host);
        colon = close + 1 < end ? close + 1 : NULL;
    } else if (memchr(text, ':', n) != NULL && memchr(text, ':', n) == memrchr(text, ':', n)) {
        colon = memchr(text, ':', n);
        length = (size_t)(colon - text);
    }
    if (colon != NULL) {
        port = *colon == ':' && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &after, 10)
                                                                   : 0;
        if (after != end)
            port = 0;
    }
    if (length == 0 || length >= sizeof p->host || port == 0 || port > UINT16_MAX)
        return cli_usage(cli,
                         "'%.*s': write HOST or HOST:PORT, an IPv6 address with a port in "
                         "brackets",
                         (int)n, text);
    memcpy(p->host, host, length);
    p->host[length] = '\0';
    p->port = (uint16_t)port;
    return CLI_OK;
}

int adopt_order_seconds(const struct cli *cli, const char *name, unsigned standard, unsigned *ret)
{
    const char *text = cli_option(cli, name);
    char *end = NULL;
    unsigned long value;
    *ret = standard;
    if (text == NULL)
        return CLI_OK;
    value = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;
    if (value > ADOPT_SECONDS_MAX || *end != '\0')
        return cli_usage(cli, "--%s '%s': allowed: 0 to %d seconds", name, text, ADOPT_SECONDS_MAX);
    *ret = (unsigned)value;
    return CLI_OK;
}

int adopt_order_password(const struct cli *cli, char ret_password[ADOPT_PASSWORD_MAX])
{
    const char *path = cli_option(cli, "password-file");
    struct errmsg m = ERRMSG_INIT;
    if (secret_read(path != NULL ? path : "", ret_password, ADOPT_PASSWORD_MAX, &m) != 0)
        return cli_fail(cli, "%s", m.text);
    return CLI_OK;
}

const char *adopt_order_user(const struct cli *cli)
{
    return cli_option(cli, "user") != NULL ? cli_option(cli, "user") : ADOPT_USER;
}
