/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/pending_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "io/store/durable.h"

#define FORMAT "tandem-rewind-1"

static json_t *pending_json(const struct pending_cut *p)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "format", FORMAT, "family",
                     p->flavour == GTID_MYSQL ? "mysql" : "mariadb", "binlog_file", p->binlog_file,
                     "cut", (json_int_t)p->cut, "expected_rollbacks",
                     (json_int_t)p->expected_rollbacks, "error_log_offset",
                     (json_int_t)p->error_log_offset, "gtids", p->gtids);
}

int pending_cut_write(const char *path, const struct pending_cut *p, struct errmsg *m)
{
    json_t *root = pending_json(p);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(1)) : NULL;
    int err = text == NULL ? errmsg_set(m, ERR_NOMEM, "%s", err_text(ERR_NOMEM))
                           : durable_write(path, (const uint8_t *)text, strlen(text), m);
    free(text);
    json_decref(root);
    return err;
}

static bool pending_number(const json_t *root, const char *key, uint64_t *ret_n)
{
    const json_t *value = json_object_get(root, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret_n = (uint64_t)json_integer_value(value);
    return true;
}

static bool pending_text(const json_t *root, const char *key, char *buf, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text != NULL && (size_t)snprintf(buf, size, "%s", text) < size;
}

static bool pending_parse(const json_t *root, struct pending_cut *p)
{
    char format[32], family[16];
    uint64_t rollbacks;
    if (!pending_text(root, "format", format, sizeof format) || strcmp(format, FORMAT) != 0 ||
        !pending_text(root, "family", family, sizeof family) ||
        !pending_text(root, "binlog_file", p->binlog_file, sizeof p->binlog_file) ||
        !pending_text(root, "gtids", p->gtids, sizeof p->gtids) ||
        !pending_number(root, "cut", &p->cut) ||
        !pending_number(root, "error_log_offset", &p->error_log_offset) ||
        !pending_number(root, "expected_rollbacks", &rollbacks) || rollbacks > UINT32_MAX)
        return false;
    p->flavour = strcmp(family, "mysql") == 0 ? GTID_MYSQL : GTID_MARIADB;
    p->expected_rollbacks = (uint32_t)rollbacks;
    return true;
}

int pending_cut_read(const char *path, struct pending_cut *ret_pending)
{
    uint8_t buf[PENDING_CUT_GTIDS_MAX + 2 * PENDING_CUT_PATH_MAX + 1024];
    struct errmsg m = ERRMSG_INIT;
    json_t *root = NULL;
    size_t used = 0;
    int err = durable_read(path, buf, sizeof buf, &used, &m);
    memset(ret_pending, 0, sizeof *ret_pending);
    if (err == ERR_NOTFOUND)
        return err;
    if (err == 0)
        root = json_loadb((const char *)buf, used, 0, NULL);
    if (root == NULL || !pending_parse(root, ret_pending)) {
        memset(ret_pending, 0, sizeof *ret_pending);
        ret_pending->damaged = true;
    }
    json_decref(root);
    return 0;
}

void pending_cut_remove(const char *path)
{
    (void)unlink(path);
}

bool pending_cut_is_done(const struct pending_cut *p)
{
    struct stat st;
    return p->damaged || stat(p->binlog_file, &st) != 0 || (uint64_t)st.st_size <= p->cut;
}

void pending_cut_judge(const struct pending_cut *p, const struct recovery_report *r, char *buf,
                       size_t size)
{
    enum recovery_verdict v = RECOVERY_UNKNOWN;
    buf[0] = '\0';
    if (!p->damaged)
        v = recovery_judge(r, p->flavour, p->expected_rollbacks, p->binlog_file, p->cut);
    if (p->damaged)
        (void)snprintf(buf, size, "recovery-unknown: what was cut is not recorded readably");
    else if (v != RECOVERY_AGREES)
        (void)snprintf(buf, size,
                       "%s: after a cut of %u transactions recovery found %u prepared, "
                       "rolled back %u",
                       recovery_verdict_id(v), p->expected_rollbacks, r->prepared, r->rolled_back);
}

/* Its set is what InnoDB itself has recorded with each commit. */
static bool pending_is_executed(const struct pending_cut *p, const char *executed)
{
    struct gtid_set cut, have, rest;
    return gtid_parse(p->gtids, GTID_MYSQL, &cut) != 0 ||
           gtid_parse(executed, GTID_MYSQL, &have) != 0 || gtid_subtract(&cut, &have, &rest) != 0 ||
           !gtid_equal(&rest, &cut);
}

void pending_cut_compare(const struct pending_cut *p, const struct server_facts *f, char *buf,
                         size_t size)
{
    buf[0] = '\0';
    if (f == NULL)
        (void)snprintf(buf, size, "recovery-unknown: the server has not told what it has");
    else if (f->xa_prepared == XA_PREPARED_UNKNOWN)
        (void)snprintf(buf, size,
                       "recovery-xa: whether prepared XA transactions are left is not known; the "
                       "agent's account lacks XA_RECOVER_ADMIN");
    else if (f->xa_prepared != 0)
        (void)snprintf(buf, size, "recovery-xa: %u prepared XA transactions are left",
                       f->xa_prepared);
    else if (!p->damaged && p->flavour == GTID_MYSQL && pending_is_executed(p, f->executed))
        (void)snprintf(buf, size, "recovery-committed: gtid_executed holds some of what was cut");
}
