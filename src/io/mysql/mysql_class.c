/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/mysql_class.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/err.h"

struct class_row {
    uint32_t sql_errno;
    enum probe_outcome outcome;
};

static const struct class_row class_rows[] = {
    /* answers, no connection left */
    {1040, PROBE_FULL},
    {1203, PROBE_FULL},
    {1226, PROBE_FULL},
    /* answers, does not let us in: account, host, plugin, password expired, offline_mode. 1045 is
     * also what Connector/C says when it has not got the authentication plugin. */
    {1044, PROBE_DENIED},
    {1045, PROBE_DENIED},
    {1129, PROBE_DENIED},
    {1130, PROBE_DENIED},
    {1251, PROBE_DENIED},
    {1275, PROBE_DENIED},
    {1524, PROBE_DENIED},
    {1698, PROBE_DENIED},
    {1820, PROBE_DENIED},
    {1862, PROBE_DENIED},
    {1917, PROBE_DENIED},
    {2049, PROBE_DENIED},
    {2054, PROBE_DENIED},
    {2058, PROBE_DENIED},
    {2059, PROBE_DENIED},
    {2061, PROBE_DENIED},
    {3032, PROBE_DENIED},
    {3118, PROBE_DENIED},
    {3159, PROBE_DENIED},
    {3955, PROBE_DENIED},
    {4151, PROBE_DENIED},
    /* our session was ended, or the server is on its way down */
    {1053, PROBE_LOST},
    {1077, PROBE_LOST},
    {1079, PROBE_LOST},
    {1317, PROBE_LOST},
    {1927, PROBE_LOST},
    {3169, PROBE_LOST},
    {4031, PROBE_LOST},
};

int mysql_system_error(const char *error)
{
    static const char marker[] = "system error: ";
    const char *at = strstr(error, marker);
    size_t n = strlen(error);
    if (at != NULL)
        return (int)strtol(at + sizeof marker - 1, NULL, 10);
    if (n > 2 && error[n - 1] == ')') {
        at = strrchr(error, '(');
        if (at != NULL)
            return (int)strtol(at + 1, NULL, 10);
    }
    return 0;
}

static enum probe_outcome class_transport(uint32_t sql_errno, int system_error)
{
    /*
     * 110: Connector/C's own deadline. connect() to a unix socket whose backlog is full says
     * EAGAIN, which Connector/C takes for success and then fails on the unconnected socket with
     * EINVAL (or ENOTCONN): somebody listens and does not accept.
     */
    if (system_error == ETIMEDOUT || system_error == EAGAIN || system_error == EINVAL ||
        system_error == ENOTCONN)
        return PROBE_TIMEOUT;
    if (sql_errno == 2002 || sql_errno == 2003)
        return system_error == EACCES || system_error == EPERM ? PROBE_ERROR : PROBE_REFUSED;
    return PROBE_LOST;
}

enum probe_outcome mysql_classify(int err, uint32_t sql_errno, const char *error)
{
    if (err == 0)
        return PROBE_OK;
    if (err == ERR_TIMEOUT)
        return PROBE_TIMEOUT;
    for (size_t i = 0; i < sizeof class_rows / sizeof class_rows[0]; i++) {
        if (class_rows[i].sql_errno == sql_errno)
            return class_rows[i].outcome;
    }
    if (err == ERR_SQL)
        return PROBE_ERROR;
    return err == ERR_NET ? class_transport(sql_errno, mysql_system_error(error)) : PROBE_LOST;
}
