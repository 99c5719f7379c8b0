/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/recovery.h"

#include <assert.h>

#define RECOVERY_TOLD_MYSQL 80028 /* of the counts; MariaDB writes its position since 10.6 */

void recovery_report_init(struct recovery_report *r)
{
    memset(r, 0, sizeof *r);
}

/* Position after `word` in the line, or NULL. */
static const char *after(const char *line, size_t n, const char *word)
{
    const char *at = memmem(line, n, word, strlen(word));
    return at != NULL ? at + strlen(word) : NULL;
}

static uint64_t number_at(const char *at, const char *end)
{
    uint64_t v = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        v = v > (UINT64_MAX - 9) / 10 ? UINT64_MAX / 10 : v * 10 + (uint64_t)(*at - '0');
    return v;
}

/* Adds the number that follows `word`, if the line has it. */
static bool add_after(uint32_t *sum, const char *line, size_t n, const char *word)
{
    const char *at = after(line, n, word);
    uint64_t v;
    if (at == NULL || at == line + n || *at < '0' || *at > '9')
        return false;
    v = number_at(at, line + n);
    *sum = v > UINT32_MAX - *sum ? UINT32_MAX : *sum + (uint32_t)v;
    return true;
}

/* "internal" and "XA" transactions are counted apart, in one line. */
static void add_all(uint32_t *sum, const char *line, size_t n, const char *word)
{
    const char *end = line + n;
    for (const char *at = line; at != NULL; at = after(at, (size_t)(end - at), word))
        if (at != line)
            (void)add_after(sum, at - strlen(word), (size_t)(end - at) + strlen(word), word);
}

static void innodb_finished(struct recovery_report *r, const char *line, size_t n)
{
    r->found = true;
    /* Seen as "Successfully rolled back 11 internal transaction(s)." and, where there were both, as
     * "Successfully committed 2, rolled back 11 internal transaction(s)."; what failed is told in
     * the present tense. */
    add_all(&r->rolled_back, line, n, "rolled back ");
    add_all(&r->committed, line, n, "committed ");
    if (after(line, n, "Failed to ") != NULL)
        r->failed = true;
}

/* "Last binlog file './binlog.000001', position 1192" */
static void last_position(struct recovery_report *r, const char *at, const char *end)
{
    const char *quote = memchr(at, '\'', (size_t)(end - at));
    const char *slash, *number;
    size_t n;
    if (quote == NULL)
        return;
    slash = memrchr(at, '/', (size_t)(quote - at));
    if (slash != NULL)
        at = slash + 1;
    n = (size_t)(quote - at);
    number = after(quote, (size_t)(end - quote), ", position ");
    if (number == NULL || n == 0 || n >= sizeof r->position_file)
        return;
    memcpy(r->position_file, at, n);
    r->position_file[n] = '\0';
    r->position = number_at(number, end);
    r->has_position = true;
}

void recovery_report_line(struct recovery_report *r, const char *line, size_t n)
{
    const char *at;
    if (r->ready) /* what follows is of later starts, and of what was done since */
        return;
    if (after(line, n, " starting as process ") != NULL ||
        after(line, n, "] Starting MariaDB ") != NULL)
        r->starts++;
    if (after(line, n, "Recovering after a crash using ") != NULL ||
        after(line, n, "Starting XA crash recovery") != NULL ||
        after(line, n, "Starting table crash recovery") != NULL)
        r->crash_recovery = true;
    if (after(line, n, "ready for connections") != NULL)
        r->ready = true;
    if (after(line, n, "prepared transaction(s) in ") != NULL)
        (void)add_after(&r->prepared, line, n, "Found ");
    if (after(line, n, "Crash recovery finished in InnoDB engine.") != NULL)
        innodb_finished(r, line, n);
    if (after(line, n, "Crash table recovery finished") != NULL)
        r->found = true;
    if (after(line, n, "Crash table recovery failed") != NULL ||
        after(line, n, "Crash recovery failed") != NULL)
        r->failed = true;
    if (after(line, n, "Rolled back recovered transaction ") != NULL ||
        (after(line, n, "Rollback of trx with id ") != NULL &&
         after(line, n, " completed") != NULL))
        r->active_rolled_back++;
    if (after(line, n, "DDL_LOG: Crash recovery executed ") != NULL)
        (void)add_after(&r->ddl_entries, line, n, "DDL_LOG: Crash recovery executed ");
    at = after(line, n, "Last binlog file '");
    if (at != NULL)
        last_position(r, at, line + n);
}

/* Both are "base.NNNNNN". -1, 0, 1 by number; -2 if the bases differ. */
static int file_compare(const char *a, const char *b)
{
    const char *dot_a = strrchr(a, '.'), *dot_b = strrchr(b, '.');
    uint64_t x, y;
    if (dot_a == NULL || dot_b == NULL || dot_a - a != dot_b - b ||
        memcmp(a, b, (size_t)(dot_a - a)) != 0)
        return -2;
    x = number_at(dot_a + 1, dot_a + strlen(dot_a));
    y = number_at(dot_b + 1, dot_b + strlen(dot_b));
    return x < y ? -1 : x > y;
}

static enum recovery_verdict judge_position(const struct recovery_report *r, const char *cut_file,
                                            uint64_t cut)
{
    const char *slash = strrchr(cut_file, '/');
    int order;
    if (!r->has_position)
        return RECOVERY_UNKNOWN;
    order = file_compare(r->position_file, slash != NULL ? slash + 1 : cut_file);
    if (order == -2)
        return RECOVERY_UNKNOWN;
    if (order > 0 || (order == 0 && r->position > cut))
        return RECOVERY_BEYOND_CUT;
    return RECOVERY_AGREES;
}

bool recovery_is_told(enum gtid_flavour flavour, unsigned version)
{
    return flavour != GTID_MYSQL || version >= RECOVERY_TOLD_MYSQL;
}

enum recovery_verdict recovery_judge(const struct recovery_report *r, enum gtid_flavour flavour,
                                     uint32_t expected_rollbacks, const char *cut_file,
                                     uint64_t cut)
{
    bool mysql = flavour == GTID_MYSQL;
    if (r->failed)
        return RECOVERY_FAILED;
    /* Even with nothing to roll back (empty transactions only) the log must tell of a recovery. */
    if (!r->found || !r->crash_recovery)
        return RECOVERY_UNKNOWN;
    if ((mysql ? r->rolled_back : r->prepared) < expected_rollbacks)
        return RECOVERY_TOO_FEW;
    return mysql ? RECOVERY_AGREES : judge_position(r, cut_file, cut);
}

const char *recovery_verdict_id(enum recovery_verdict verdict)
{
    static const char *const ids[] = {"agrees", "recovery-unknown", "recovery-too-few",
                                      "recovery-beyond-cut", "recovery-failed"};
    _Static_assert(sizeof ids / sizeof ids[0] == RECOVERY_VERDICT_COUNT, "one id per verdict");
    assert(verdict < RECOVERY_VERDICT_COUNT);
    return ids[verdict];
}
