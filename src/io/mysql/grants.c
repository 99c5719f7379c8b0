/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/grants.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GRANT_NAME_MAX 64

/* As accounts.sql of `tandem init` gives them; '|' between names of one privilege. */
struct grants_wanted {
    const char *everywhere;
    const char *cure;
};

static const struct grants_wanted grants_wanted[DIALECT_COUNT] = {
    [DIALECT_MARIADB] = {"BINLOG MONITOR|REPLICATION CLIENT,SLAVE MONITOR|REPLICA MONITOR,"
                         "REPLICATION SLAVE ADMIN|REPLICATION REPLICA ADMIN,"
                         "REPLICATION MASTER ADMIN,READ_ONLY ADMIN|READ ONLY ADMIN,"
                         "CONNECTION ADMIN,BINLOG ADMIN,PROCESS,RELOAD,SUPER",
                         "BINLOG REPLAY,SELECT,LOCK TABLES"},
    [DIALECT_MYSQL_57] = {"SUPER,REPLICATION CLIENT,REPLICATION SLAVE,PROCESS,RELOAD", "EVENT"},
    [DIALECT_MYSQL_80] = {"SUPER,REPLICATION CLIENT,REPLICATION SLAVE,PROCESS,RELOAD,"
                          "XA_RECOVER_ADMIN",
                          "EVENT"},
    [DIALECT_MYSQL_NEW] = {"REPLICATION CLIENT,REPLICATION SLAVE,PROCESS,RELOAD,"
                           "REPLICATION_SLAVE_ADMIN,SYSTEM_VARIABLES_ADMIN,CONNECTION_ADMIN,"
                           "SYSTEM_USER,XA_RECOVER_ADMIN,BACKUP_ADMIN",
                           "BINLOG_ADMIN,SELECT,LOCK TABLES,EVENT"},
};
static const char grants_tandem[] = "CREATE,DROP,SELECT,INSERT,UPDATE,DELETE";

/* Appends the list of a row to ",A,B,". What does not fit is not there, and is told as missing. */
static void grants_append(char *list, const char *from, size_t length)
{
    size_t used = strlen(list);
    if (used + length + 3 > GRANTS_TEXT_MAX)
        return;
    if (used == 0)
        list[used++] = ',';
    for (size_t i = 0; i < length; i++) {
        if (from[i] == ' ' && (i == 0 || from[i - 1] == ','))
            continue;
        list[used++] = from[i];
    }
    list[used++] = ',';
    list[used] = '\0';
}

void grants_row(struct grants *g, const char *row)
{
    static const char grant[] = "GRANT ";
    const char *on = strstr(row, " ON ");
    const char *list = row + sizeof grant - 1;
    if (strncmp(row, grant, sizeof grant - 1) != 0 || on == NULL || on < list)
        return;
    if (strncmp(on + 4, "*.* ", 4) == 0)
        grants_append(g->everywhere, list, (size_t)(on - list));
    else if (strncmp(on + 4, "`tandem`.* ", 11) == 0 || strncmp(on + 4, "\"tandem\".* ", 11) == 0)
        grants_append(g->tandem, list, (size_t)(on - list));
}

static bool grants_has(const char *list, const char *name, size_t length)
{
    char wanted[GRANT_NAME_MAX];
    if (strcasestr(list, ",ALL PRIVILEGES,") != NULL)
        return true;
    (void)snprintf(wanted, sizeof wanted, ",%.*s,", (int)length, name);
    return strcasestr(list, wanted) != NULL;
}

/* names: "A|B". */
static bool grants_has_one(const char *list, const char *names, size_t length)
{
    while (length > 0) {
        size_t n = 0;
        while (n < length && names[n] != '|')
            n++;
        if (grants_has(list, names, n))
            return true;
        n += n < length;
        names += n;
        length -= n;
    }
    return false;
}

static void grants_tell(char *text, size_t size, const char *names, size_t length,
                        const char *where)
{
    size_t used = strlen(text);
    size_t first = 0;
    while (first < length && names[first] != '|')
        first++;
    (void)snprintf(text + used, size - used, "%s%.*s%s", used > 0 ? ", " : "", (int)first, names,
                   where);
}

void grants_missing(const struct grants *g, enum dialect_kind dialect, bool cure, char *ret_text,
                    size_t size)
{
    const char *at = cure ? grants_wanted[dialect].cure : grants_wanted[dialect].everywhere;
    ret_text[0] = '\0';
    for (; at[0] != '\0'; at += strspn(at, ",")) {
        size_t n = strcspn(at, ",");
        if (!grants_has_one(g->everywhere, at, n))
            grants_tell(ret_text, size, at, n, "");
        at += n;
    }
    for (at = cure ? "" : grants_tandem; at[0] != '\0'; at += strspn(at, ",")) {
        size_t n = strcspn(at, ",");
        if (!grants_has_one(g->everywhere, at, n) && !grants_has_one(g->tandem, at, n))
            grants_tell(ret_text, size, at, n, " on tandem.*");
        at += n;
    }
}

/* On MySQL, and on MariaDB before 10.11, SUPER passes read_only; SYSTEM_VARIABLES_ADMIN turns
 * super_read_only off. An account of the host itself is an administrator's. */
const char grants_powers_sql[] =
    "SELECT GRANTEE AS grantee, GROUP_CONCAT(PRIVILEGE_TYPE ORDER BY PRIVILEGE_TYPE SEPARATOR ', ')"
    " AS held FROM information_schema.user_privileges WHERE PRIVILEGE_TYPE IN ('SUPER', "
    "'READ_ONLY ADMIN', 'READ ONLY ADMIN', 'CONNECTION ADMIN', 'CONNECTION_ADMIN', "
    "'SYSTEM_VARIABLES_ADMIN') AND SUBSTRING_INDEX(GRANTEE, '@', -1) NOT IN ('''localhost''', "
    "'''127.0.0.1''', '''::1''') AND GRANTEE NOT LIKE CONCAT('''', SUBSTRING_INDEX(USER(), '@', "
    "1), '''@%') GROUP BY GRANTEE ORDER BY GRANTEE";

void grants_power(const char *grantee, const char *privileges, char *text, size_t size)
{
    static const char more[] = "; ...";
    size_t used = strlen(text);
    size_t length = strlen(grantee);
    int n;
    if (used >= sizeof more && strcmp(text + used - sizeof more + 1, more) == 0)
        return;
    if (length > 3 && strcmp(grantee + length - 3, "@''") == 0)
        length -= 3; /* a role of MariaDB's */
    n = snprintf(text + used, size - used, "%sREVOKE %s ON *.* FROM %.*s", used > 0 ? "; " : "",
                 privileges, (int)length, grantee);
    if (n < 0 || (size_t)n + sizeof more > size - used)
        (void)snprintf(text + used, size - used, "%s", used > 0 ? more : "...");
}
