/* SPDX-License-Identifier: Apache-2.0 */
#include "io/mysql/dialect.h"

#include <assert.h>
#include <string.h>

/* Milliseconds; 31 years. A server that has a lower maximum takes that (4294967295 = 49 days). */
#define DIALECT_TIMEOUT_INFINITE "1000000000000"

static const char *const dialect_words[WORD_COUNT][DIALECT_COUNT] = {
#define WORD(name, mariadb, mysql57, mysql80, mysqlnew) \
    [WORD_##name] = {mariadb, mysql57, mysql80, mysqlnew},
#include "io/mysql/dialect.def"
#undef WORD
};

static int dialect_of_mariadb(uint32_t version, enum dialect_kind *ret_dialect)
{
    if (version < 100600)
        return ERR_UNSUPPORTED;
    *ret_dialect = DIALECT_MARIADB;
    return 0;
}

static int dialect_of_mysql(uint32_t version, enum dialect_kind *ret_dialect)
{
    if (version < 50700)
        return ERR_UNSUPPORTED;
    if (version < 80000)
        *ret_dialect = DIALECT_MYSQL_57;
    else if (version < 80026)
        *ret_dialect = DIALECT_MYSQL_80;
    else
        *ret_dialect = DIALECT_MYSQL_NEW;
    return 0;
}

int dialect_find(const char *version_text, enum server_flavour *ret_flavour, uint32_t *ret_version,
                 enum dialect_kind *ret_dialect)
{
    static const char prefix[] = "5.5.5-";
    bool mariadb = strstr(version_text, "MariaDB") != NULL;
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    uint32_t version;
    if (mariadb && strncmp(version_text, prefix, sizeof prefix - 1) == 0)
        version_text += sizeof prefix - 1;
    if (sscanf(version_text, "%3u.%2u.%2u", &major, &minor, &patch) != 3)
        return ERR_UNSUPPORTED;
    version = major * 10000 + minor * 100 + patch;
    *ret_flavour = mariadb ? SERVER_MARIADB : SERVER_MYSQL;
    *ret_version = version;
    return mariadb ? dialect_of_mariadb(version, ret_dialect)
                   : dialect_of_mysql(version, ret_dialect);
}

const char *dialect_word(enum dialect_kind dialect, enum dialect_word word)
{
    assert((unsigned)dialect < DIALECT_COUNT && (unsigned)word < WORD_COUNT);
    return dialect_words[word][dialect];
}

const char *semi_source_word(enum semi_names names)
{
    return names == SEMI_NEW ? "source" : "master";
}

const char *semi_replica_word(enum semi_names names)
{
    return names == SEMI_NEW ? "replica" : "slave";
}

int dialect_escape(const char *text, char *buf, size_t size)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        bool quote = *text == '\'' || *text == '\\';
        if (n + 3 > size)
            return ERR_FULL;
        if (quote)
            buf[n++] = '\\';
        buf[n++] = *text;
    }
    buf[n] = '\0';
    return 0;
}

int dialect_change_source(enum dialect_kind dialect, const struct dialect_source *source,
                          bool level, char *buf, size_t size)
{
    const char *prefix = dialect_word(dialect, WORD_CHANGE_PREFIX);
    char host[2 * ADDRESS_TEXT_MAX];
    char user[256];
    char password[256];
    int n;
    if (dialect_escape(source->host, host, sizeof host) != 0 ||
        dialect_escape(source->user, user, sizeof user) != 0 ||
        dialect_escape(source->password, password, sizeof password) != 0)
        return ERR_FULL;
    n = snprintf(buf, size, "%s %s_HOST='%s', %s_PORT=%u, %s_USER='%s', %s_PASSWORD='%s'%s%s",
                 dialect_word(dialect, level ? WORD_LEVEL_CHANGE : WORD_CHANGE), prefix, host,
                 prefix, source->port, prefix, user, prefix, password,
                 dialect_word(dialect, WORD_FOLLOW),
                 dialect_word(dialect, level ? WORD_LEVEL_TAIL : WORD_CHANGE_TAIL));
    explicit_bzero(password, sizeof password);
    return n < 0 || (size_t)n >= size ? ERR_FULL : 0;
}

int dialect_source_side(enum dialect_kind dialect, enum semi_names names, bool on, uint32_t count,
                        char *buf, size_t size)
{
    const char *w = semi_source_word(names);
    char wait_count[80] = "";
    int n;
    assert(names != SEMI_NONE);
    if (!on) {
        n = snprintf(buf, size, "SET GLOBAL rpl_semi_sync_%s_enabled=0", w);
        return n < 0 || (size_t)n >= size ? ERR_FULL : 0;
    }
    if (dialect != DIALECT_MARIADB)
        (void)snprintf(wait_count, sizeof wait_count,
                       ", GLOBAL rpl_semi_sync_%s_wait_for_%s_count=%u", w,
                       semi_replica_word(names), count);
    n = snprintf(buf, size,
                 "SET GLOBAL rpl_semi_sync_%s_wait_point='AFTER_SYNC', "
                 "GLOBAL rpl_semi_sync_%s_timeout=" DIALECT_TIMEOUT_INFINITE ", "
                 "GLOBAL rpl_semi_sync_%s_wait_no_%s=1%s, GLOBAL rpl_semi_sync_%s_enabled=1",
                 w, w, w, semi_replica_word(names), wait_count, w);
    return n < 0 || (size_t)n >= size ? ERR_FULL : 0;
}
