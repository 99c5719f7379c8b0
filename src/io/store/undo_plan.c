/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/undo_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/store/undo_text.h"
#include "wire/row_event.h"

/* Numbers of tables in the events of the script: any that do not meet. */
#define REAL_ID 1000u
#define SCRATCH_ID 2000u
#define MAPS_MAX 64

struct undo_range {
    unsigned file; /* position in the index */
    uint64_t start;
    uint64_t end;
    bool checksum;  /* the file's events have one */
    uint8_t *bytes; /* owned */
};

struct undo_change {
    unsigned table;
    struct row_event event; /* points into a range's bytes */
};

struct undo_plan {
    struct rewind_work *k;
    struct undo_text text;
    struct undo_range *ranges; /* newest file first, within a file in order */
    unsigned n_ranges;
    struct undo_change *changes; /* in order */
    unsigned n_changes;
    uint64_t bytes;
    unsigned n_tables;
    struct row_table tables[UNDO_TABLES_MAX]; /* rest is owned */
    struct binlog_format format;              /* of the newest file: the running server's own */
    bool begun;                               /* `before` counts the file being walked */
    struct gtid_set before;                   /* what the binlog held before the first of them */
    struct gtid last;                         /* of the whole binlog; has_last */
    bool has_last;
    struct {
        uint64_t id;
        unsigned table;
    } maps[MAPS_MAX]; /* of the group being read */
    unsigned n_maps;
    size_t *offsets; /* of the images of the event being reversed */
    size_t offsets_cap;
    uint8_t *raw;
    size_t raw_cap;
    uint32_t server_id;
    uint32_t timestamp_s;
};

static int refuse(struct undo_plan *p, enum undo_reason reason, const char *detail)
{
    struct rewind_result *res = p->k->res;
    if (res->undo_reason == UNDO_REASON_OK) {
        res->undo_reason = reason;
        (void)snprintf(res->undo_detail, sizeof res->undo_detail, "%s", detail);
    }
    return ERR_STATE;
}

/* --- which transactions ----------------------------------------------------------------------- */

static int add_range(struct undo_plan *p, const struct binlog_group *g, unsigned file,
                     bool checksum)
{
    struct undo_range *r = realloc(p->ranges, (p->n_ranges + 1) * sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    p->ranges = r;
    p->ranges[p->n_ranges++] = (struct undo_range){file, g->start, g->end, checksum, NULL};
    p->bytes += g->end - g->start;
    return p->bytes <= UNDO_BYTES_MAX ? 0 : refuse(p, UNDO_REASON_TOO_LARGE, "");
}

static int on_group(void *data, const struct binlog_walk *w)
{
    struct undo_plan *p = data;
    struct rewind_work *k = p->k;
    const struct binlog_group *g = &w->group;
    int err;
    if (!p->begun)
        p->before = w->previous;
    p->begun = true;
    if (g->has_gtid && !p->has_last)
        p->last = g->gtid; /* of the newest file: its last one stays */
    if (!rewind_is_extra(k, g)) {
        k->file_others++;
        if (k->file_groups > 0)
            return refuse(p, UNDO_REASON_HOLE, g->detail);
        return g->has_gtid ? gtid_add(&p->before, &g->gtid) : 0;
    }
    if (k->others_behind)
        return refuse(p, UNDO_REASON_HOLE, g->detail);
    if (g->kind == BINLOG_GROUP_DDL || g->atomic_ddl || rewind_group_reason(g) != REWIND_REASON_OK)
        return refuse(p, UNDO_REASON_NOT_ROWS, g->detail);
    err = rewind_note_extra(k, g);
    return err == 0 ? add_range(p, g, k->file_at, w->format.checksum) : err;
}

/* --- their changes ---------------------------------------------------------------------------- */

static bool is_plain_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

static bool is_system(const char *database)
{
    return strcmp(database, "mysql") == 0 || strcmp(database, "sys") == 0 ||
           strcmp(database, "information_schema") == 0 ||
           strcmp(database, "performance_schema") == 0;
}

static bool is_same_table(const struct row_table *a, const struct row_table *b)
{
    return strcmp(a->database, b->database) == 0 && strcmp(a->name, b->name) == 0;
}

/* The place of a table, made if it is new. */
static int find_table(struct undo_plan *p, const struct row_table *t, unsigned *ret_at)
{
    uint8_t *rest;
    for (unsigned i = 0; i < p->n_tables; i++) {
        struct row_table *known = &p->tables[i];
        if (!is_same_table(known, t))
            continue;
        *ret_at = i;
        known->id = t->id;
        return known->rest_size == t->rest_size && memcmp(known->rest, t->rest, t->rest_size) == 0
                   ? 0
                   : refuse(p, UNDO_REASON_UNSUPPORTED, "a table changed its columns meanwhile");
    }
    if (!is_plain_name(t->database) || !is_plain_name(t->name) || is_system(t->database))
        return refuse(p, UNDO_REASON_NAME, t->name);
    if (p->n_tables == UNDO_TABLES_MAX)
        return refuse(p, UNDO_REASON_TOO_LARGE, "too many tables");
    rest = malloc(t->rest_size);
    if (rest == NULL)
        return ERR_NOMEM;
    memcpy(rest, t->rest, t->rest_size);
    p->tables[p->n_tables] = *t;
    p->tables[p->n_tables].rest = rest;
    *ret_at = p->n_tables++;
    return 0;
}

static int on_table_map(struct undo_plan *p, const uint8_t *body, size_t n)
{
    struct row_table t;
    char what[ROW_NAME_MAX] = "";
    unsigned at = 0, i = 0;
    int err = row_table_decode(body, n, &t, what);
    if (err != 0)
        return refuse(p, err == ERR_UNSUPPORTED ? UNDO_REASON_UNSUPPORTED : UNDO_REASON_DAMAGED,
                      what);
    err = find_table(p, &t, &at);
    if (err != 0)
        return err;
    while (i < p->n_maps && p->maps[i].id != t.id)
        i++;
    if (i == MAPS_MAX)
        return refuse(p, UNDO_REASON_TOO_LARGE, "too many tables");
    p->maps[i].id = t.id;
    p->maps[i].table = at;
    p->n_maps = i == p->n_maps ? i + 1 : p->n_maps;
    return 0;
}

static int on_rows(struct undo_plan *p, uint8_t type, const uint8_t *body, size_t n)
{
    struct undo_change c, *list;
    struct row_table *t;
    char what[ROW_NAME_MAX] = "";
    uint64_t id = 0;
    unsigned i = 0;
    int err = row_event_table(body, n, &id);
    while (i < p->n_maps && p->maps[i].id != id)
        i++;
    if (err != 0 || i == p->n_maps)
        return refuse(p, UNDO_REASON_DAMAGED, "rows without a table");
    c.table = p->maps[i].table;
    t = &p->tables[c.table];
    t->id = id;
    err = row_event_decode(type, body, n, t, &c.event, what);
    if (err != 0)
        return refuse(p, err == ERR_UNSUPPORTED ? UNDO_REASON_UNSUPPORTED : UNDO_REASON_DAMAGED,
                      what);
    list = realloc(p->changes, (p->n_changes + 1) * sizeof *list);
    if (list == NULL)
        return ERR_NOMEM;
    p->changes = list;
    p->changes[p->n_changes++] = c;
    return 0;
}

/* What is not a change of rows and stands in a group of them. */
static bool is_harmless(uint8_t type)
{
    static const uint8_t types[] = {
        BINLOG_GTID, BINLOG_GTID_TAGGED, BINLOG_MARIADB_GTID,         BINLOG_QUERY,
        BINLOG_XID,  BINLOG_ROWS_QUERY,  BINLOG_MARIADB_ANNOTATE_ROWS};
    return memchr(types, type, sizeof types) != NULL;
}

static int on_event(struct undo_plan *p, const uint8_t *e, size_t n)
{
    uint8_t type = e[4];
    const uint8_t *body = e + BINLOG_HEADER_SIZE;
    if (type == BINLOG_TABLE_MAP)
        return on_table_map(p, body, n);
    if (type == BINLOG_TRANSACTION_PAYLOAD)
        return refuse(p, UNDO_REASON_COMPRESSED, "");
    if (is_harmless(type))
        return 0;
    return on_rows(p, type, body, n);
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The walk has checked sizes and checksums of the same bytes; they are looked at again all the
 * same, since the file may have changed. */
static int read_events(struct undo_plan *p, const struct undo_range *r)
{
    size_t trailer = r->checksum ? BINLOG_CHECKSUM_SIZE : 0;
    size_t left = (size_t)(r->end - r->start), size;
    int err = 0;
    p->n_maps = 0;
    for (const uint8_t *e = r->bytes; err == 0 && left > 0; e += size, left -= size) {
        size = left >= BINLOG_HEADER_SIZE ? u32_at(e + 9) : 0;
        if (size < BINLOG_HEADER_SIZE + trailer || size > left)
            return refuse(p, UNDO_REASON_DAMAGED, "");
        p->timestamp_s = u32_at(e);
        p->server_id = u32_at(e + 5);
        err = on_event(p, e, size - BINLOG_HEADER_SIZE - trailer);
    }
    return err;
}

static int read_range(struct undo_plan *p, struct undo_range *r)
{
    const char *path = p->k->index.paths[r->file];
    size_t want = (size_t)(r->end - r->start), have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    if (fd < 0)
        return errmsg_set(&p->k->res->errmsg, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    r->bytes = malloc(want);
    while (r->bytes != NULL && have < want && n != 0) {
        n = pread(fd, r->bytes + have, want - have, (off_t)(r->start + have));
        if (n < 0 && errno != EINTR)
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    if (r->bytes == NULL)
        return ERR_NOMEM;
    if (have < want)
        return errmsg_set(&p->k->res->errmsg, ERR_IO, "cannot read %s", path);
    return read_events(p, r);
}

/* Oldest transaction first: files are in the list from the newest on. */
static int read_changes(struct undo_plan *p)
{
    int err = 0;
    unsigned end = p->n_ranges;
    while (err == 0 && end > 0) {
        unsigned begin = end - 1;
        while (begin > 0 && p->ranges[begin - 1].file == p->ranges[end - 1].file)
            begin--;
        for (unsigned i = begin; err == 0 && i < end; i++)
            err = read_range(p, &p->ranges[i]);
        end = begin;
    }
    return err;
}

/* --- events of the script --------------------------------------------------------------------- */

struct images {
    const uint8_t *at;     /* of the whole event's rows */
    const size_t *offsets; /* n + 1 of them */
};

static struct row_writer writer(struct undo_plan *p, const struct row_table *t, size_t images)
{
    size_t size = ROW_PUT_MAX + t->rest_size + ROW_COLUMNS_MAX / 4 + images;
    struct row_writer w = {
        .checksum = p->format.checksum, .server_id = p->server_id, .timestamp_s = p->timestamp_s};
    if (size > p->raw_cap) {
        uint8_t *raw = realloc(p->raw, size);
        if (raw == NULL) {
            p->text.err = ERR_NOMEM;
            return w; /* without a buffer: ERR_FULL at the first byte */
        }
        p->raw = raw;
        p->raw_cap = size;
    }
    w.buf = p->raw;
    w.size = p->raw_cap;
    return w;
}

static void put_image(struct row_writer *w, const struct images *m, size_t i)
{
    row_put_image(w, m->at + m->offsets[i], m->offsets[i + 1] - m->offsets[i]);
}

/* Rows [from, to) of the event, `step` images each; the one at `which` of each into the scratch
 * table. */
static void load(struct undo_plan *p, const struct undo_change *c, const struct images *m,
                 const size_t *span, unsigned which)
{
    const struct row_table *t = &p->tables[c->table];
    unsigned step = c->event.kind == ROW_UPDATE ? 2 : 1;
    struct row_writer w = writer(p, t, m->offsets[span[1] * step] - m->offsets[span[0] * step]);
    char name[32];
    (void)snprintf(name, sizeof name, "undo_%u", c->table);
    row_put_table(&w, t, SCRATCH_ID + c->table, "tandem", name);
    row_put_begin(&w, t, SCRATCH_ID + c->table, ROW_WRITE, c->event.version_1);
    for (size_t i = span[0]; i < span[1]; i++)
        put_image(&w, m, i * step + which);
    row_put_end(&w);
    if (w.err == 0)
        undo_text_binlog(&p->text, w.buf, w.used);
}

static void reverse(struct undo_plan *p, const struct undo_change *c, const struct images *m,
                    const size_t *span)
{
    static const enum row_kind inverse[] = {ROW_DELETE, ROW_UPDATE, ROW_WRITE};
    const struct row_table *t = &p->tables[c->table];
    bool update = c->event.kind == ROW_UPDATE;
    unsigned step = update ? 2 : 1;
    struct row_writer w = writer(p, t, m->offsets[span[1] * step] - m->offsets[span[0] * step]);
    row_put_table(&w, t, REAL_ID + c->table, t->database, t->name);
    row_put_begin(&w, t, REAL_ID + c->table, inverse[c->event.kind], c->event.version_1);
    for (size_t i = span[1]; i > span[0]; i--) {
        if (update)
            put_image(&w, m, (i - 1) * step + 1);
        put_image(&w, m, (i - 1) * step);
    }
    row_put_end(&w);
    if (w.err == 0)
        undo_text_binlog(&p->text, w.buf, w.used);
}

static void clear(struct undo_plan *p, unsigned table)
{
    undo_text_add(&p->text, UNDO_REASON_OK, 0, "DELETE FROM tandem.undo_%u", table);
}

/* One chunk: what must be there, its reversal, what must be there then. */
static void emit_chunk(struct undo_plan *p, const struct undo_change *c, const struct images *m,
                       const size_t *span)
{
    uint64_t n = span[1] - span[0];
    struct undo_text *t = &p->text;
    if (c->event.kind != ROW_DELETE) {
        load(p, c, m, span, c->event.kind == ROW_UPDATE ? 1 : 0);
        undo_text_add(t, UNDO_REASON_ROWS_DIFFER, n, "EXECUTE tandem_all_%u", c->table);
    }
    reverse(p, c, m, span);
    if (c->event.kind == ROW_WRITE) {
        undo_text_add(t, UNDO_REASON_NOT_UNDONE, 0, "EXECUTE tandem_key_%u", c->table);
    } else {
        clear(p, c->table);
        load(p, c, m, span, 0);
        undo_text_add(t, UNDO_REASON_NOT_UNDONE, n, "EXECUTE tandem_all_%u", c->table);
    }
    clear(p, c->table);
}

/* Where each image begins; *ret_count of them, offsets[count] is the end. */
static int measure(struct undo_plan *p, const struct undo_change *c, size_t *ret_count)
{
    const struct row_table *t = &p->tables[c->table];
    size_t at = 0, count = 0, n = 0;
    for (;;) {
        if (count + 1 > p->offsets_cap) {
            size_t cap = p->offsets_cap > 0 ? 2 * p->offsets_cap : 1024;
            size_t *o = realloc(p->offsets, cap * sizeof *o);
            if (o == NULL)
                return ERR_NOMEM;
            p->offsets = o;
            p->offsets_cap = cap;
        }
        p->offsets[count] = at;
        if (at == c->event.size)
            break;
        if (row_image_size(t, c->event.rows + at, c->event.size - at, &n) != 0)
            return refuse(p, UNDO_REASON_DAMAGED, "rows that do not fit their table");
        at += n;
        count++;
    }
    if (c->event.kind == ROW_UPDATE && count % 2 != 0)
        return refuse(p, UNDO_REASON_DAMAGED, "an update without its second image");
    *ret_count = count;
    return 0;
}

static int emit_change(struct undo_plan *p, const struct undo_change *c)
{
    struct images m = {.at = c->event.rows};
    unsigned step = c->event.kind == ROW_UPDATE ? 2 : 1;
    size_t count = 0, span[2];
    int err = measure(p, c, &count);
    if (err != 0)
        return err;
    m.offsets = p->offsets;
    for (span[1] = count / step; span[1] > 0; span[1] = span[0]) {
        span[0] = span[1] - 1;
        while (span[0] > 0 &&
               m.offsets[span[1] * step] - m.offsets[(span[0] - 1) * step] <= UNDO_CHUNK_MAX)
            span[0]--;
        emit_chunk(p, c, &m, span);
    }
    return p->text.err;
}

/* --- statements of the script ----------------------------------------------------------------- */

/* A BINLOG statement needs the format once in its session; as a server writes it, not in use. An
 * older file may have that of another version or without checksums. */
static int emit_format(struct undo_plan *p)
{
    const char *path = p->k->index.paths[p->k->index.count - 1];
    size_t n = (size_t)(p->format.end - BINLOG_MAGIC_SIZE);
    uint8_t event[BINLOG_KEEP_MAX + BINLOG_HEADER_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 && n <= sizeof event ? pread(fd, event, n, BINLOG_MAGIC_SIZE) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (got != (ssize_t)n)
        return errmsg_set(&p->k->res->errmsg, ERR_IO, "cannot read %s", path);
    event[17] = (uint8_t)(event[17] & ~BINLOG_FLAG_IN_USE);
    undo_text_binlog(&p->text, event, n);
    return 0;
}

#define QUOTED "CONCAT('`',REPLACE(column_name,'`','``'),'`')"

static void emit_table(struct undo_plan *p, unsigned i, bool mariadb)
{
    const struct row_table *t = &p->tables[i];
    const char *db = t->database, *name = t->name;
    struct undo_text *x = &p->text;
    undo_text_add(x, UNDO_REASON_TABLE, 1,
                  "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='%s' AND "
                  "table_name='%s' AND engine='InnoDB' AND table_type='BASE TABLE'",
                  db, name);
    undo_text_add(x, UNDO_REASON_TABLE, t->n_columns,
                  "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='%s' AND "
                  "table_name='%s'",
                  db, name);
    undo_text_add(x, UNDO_REASON_NO_KEY, 1,
                  "SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE "
                  "table_schema='%s' AND table_name='%s' AND index_name='PRIMARY'",
                  db, name);
    undo_text_add(x, UNDO_REASON_CASCADE, 0,
                  "SELECT COUNT(*) FROM information_schema.%s WHERE ref_name='%s/%s' AND type&15",
                  mariadb ? "innodb_sys_foreign" : "innodb_foreign", db, name);
    undo_text_add(x, UNDO_REASON_OK, 0, "DROP TABLE IF EXISTS tandem.undo_%u", i);
    undo_text_add(x, UNDO_REASON_OK, 0, "CREATE TABLE tandem.undo_%u LIKE `%s`.`%s`", i, db, name);
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET @tandem_key=(SELECT CONCAT('SELECT COUNT(*) FROM tandem.undo_%u s JOIN "
                  "`%s`.`%s` o ON ',GROUP_CONCAT(CONCAT('o.',q,'<=>s.',q) SEPARATOR ' AND ')) FROM "
                  "(SELECT " QUOTED " q FROM information_schema.statistics WHERE table_schema='%s' "
                  "AND table_name='%s' AND index_name='PRIMARY') k)",
                  i, db, name, db, name);
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET @tandem_all=(SELECT GROUP_CONCAT(CONCAT('o.',q,'<=>s.',q,' AND "
                  "CAST(o.',q,' AS BINARY)<=>CAST(s.',q,' AS BINARY)') SEPARATOR ' AND ') FROM "
                  "(SELECT " QUOTED
                  " q FROM information_schema.columns WHERE table_schema='%s' AND "
                  "table_name='%s') c)",
                  db, name);
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET @tandem_all=CONCAT(@tandem_key,' WHERE ',@tandem_all,' FOR UPDATE'), "
                  "@tandem_key=CONCAT(@tandem_key,' FOR UPDATE')");
    undo_text_add(x, UNDO_REASON_OK, 0, "PREPARE tandem_key_%u FROM @tandem_key", i);
    undo_text_add(x, UNDO_REASON_OK, 0, "PREPARE tandem_all_%u FROM @tandem_all", i);
}

/* The state with the newest GTID last, as the server takes it. One domain only. */
static int state_text(const struct gtid_set *state, char *buf, size_t size, char *ret_pos,
                      size_t pos_size)
{
    const struct gtid_interval *newest = NULL;
    size_t used = 0;
    buf[0] = ret_pos[0] = '\0';
    for (unsigned i = 0; i < state->interval_count; i++) {
        const struct gtid_interval *in = &state->intervals[i];
        if (newest != NULL && in->source != newest->source)
            return ERR_UNSUPPORTED;
        if (newest == NULL || in->last > newest->last)
            newest = in;
    }
    for (unsigned i = 0; i < state->interval_count && used < size; i++) {
        const struct gtid_interval *in = &state->intervals[i];
        if (in != newest)
            used += (size_t)snprintf(buf + used, size - used, "%u-%u-%llu,", in->source,
                                     in->server_id, (unsigned long long)in->last);
    }
    if (newest != NULL) {
        (void)snprintf(ret_pos, pos_size, "%u-%u-%llu", newest->source, newest->server_id,
                       (unsigned long long)newest->last);
        if (used < size)
            used += (size_t)snprintf(buf + used, size - used, "%s", ret_pos);
    }
    return used < size ? 0 : ERR_FULL;
}

static void emit_session(struct undo_plan *p, bool mariadb)
{
    struct undo_text *x = &p->text;
    /* Before all else: without it even the clean-up would be written to the binlog. */
    undo_text_add(x, UNDO_REASON_OK, 0, "SET SESSION sql_log_bin=0");
    undo_text_add(x, UNDO_REASON_FOLLOWED, 0,
                  "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog "
                  "Dump%%'");
    if (mariadb)
        undo_text_add(x, UNDO_REASON_TRIGGERS, 1,
                      "SELECT @@GLOBAL.slave_run_triggers_for_rbr='NO'");
    else
        undo_text_add(x, UNDO_REASON_OK, 0, "SET GLOBAL super_read_only=0");
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET SESSION group_concat_max_len=1048576, SESSION sql_mode='', SESSION "
                  "innodb_lock_wait_timeout=1");
    undo_text_add(x, UNDO_REASON_OK, 0, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
}

static int emit_set_mariadb(struct undo_plan *p)
{
    char state[REWIND_JOB_TEXT_MAX], pos[64], last[GTID_ONE_TEXT_MAX];
    struct undo_text *x = &p->text;
    if (state_text(&p->before, state, sizeof state, pos, sizeof pos) != 0)
        return refuse(p, UNDO_REASON_DOMAINS, "");
    (void)gtid_format_one(&p->last, last, sizeof last);
    undo_text_add(x, UNDO_REASON_SET, 1, "SELECT @@GLOBAL.gtid_binlog_pos='%s'", last);
    undo_text_add(x, UNDO_REASON_OK, 0, "COMMIT");
    undo_text_add(x, UNDO_REASON_OK, 0, "RESET MASTER");
    undo_text_add(x, UNDO_REASON_OK, 0, "SET GLOBAL gtid_binlog_state='%s'", state);
    undo_text_add(x, UNDO_REASON_OK, 0, "SET GLOBAL gtid_slave_pos='%s'", pos);
    undo_text_add(x, UNDO_REASON_SET, 1, "SELECT @@GLOBAL.gtid_binlog_pos='%s'", pos);
    return 0;
}

static void emit_set_mysql(struct undo_plan *p)
{
    const char *extra = p->k->req->extra;
    bool old = p->format.version < 80200;
    struct undo_text *x = &p->text;
    undo_text_add(x, UNDO_REASON_SET, 1, "SELECT GTID_SUBSET('%s',@@GLOBAL.gtid_executed)", extra);
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET @tandem_left=GTID_SUBTRACT(@@GLOBAL.gtid_executed,'%s')", extra);
    undo_text_add(x, UNDO_REASON_OK, 0, "COMMIT");
    undo_text_add(x, UNDO_REASON_OK, 0, "%s", old ? "RESET MASTER" : "RESET BINARY LOGS AND GTIDS");
    undo_text_add(x, UNDO_REASON_OK, 0, "SET GLOBAL gtid_purged=@tandem_left");
    undo_text_add(x, UNDO_REASON_SET, 1,
                  "SELECT GTID_SUBSET(@tandem_left,@@GLOBAL.gtid_executed) AND "
                  "GTID_SUBSET(@@GLOBAL.gtid_executed,@tandem_left)");
}

static void emit_cleanup(struct undo_plan *p, bool mariadb)
{
    struct undo_text *x = &p->text;
    undo_text_add(x, UNDO_REASON_OK, 0, "ROLLBACK");
    undo_text_add(x, UNDO_REASON_OK, 0, "SET SESSION sql_log_bin=0");
    for (unsigned i = 0; i < p->n_tables; i++)
        undo_text_add(x, UNDO_REASON_OK, 0, "DROP TABLE IF EXISTS tandem.undo_%u", i);
    undo_text_add(x, UNDO_REASON_OK, 0,
                  "SET SESSION sql_log_bin=1, SESSION sql_mode=DEFAULT, SESSION "
                  "group_concat_max_len=DEFAULT, SESSION innodb_lock_wait_timeout=DEFAULT");
    if (!mariadb)
        undo_text_add(x, UNDO_REASON_OK, 0, "SET GLOBAL super_read_only=1");
}

static int emit(struct undo_plan *p)
{
    bool mariadb = p->k->req->flavour == GTID_MARIADB;
    int err;
    emit_session(p, mariadb);
    for (unsigned i = 0; i < p->n_tables; i++)
        emit_table(p, i, mariadb);
    err = emit_format(p);
    /* The format makes MySQL expect a GTID event in front of what follows. */
    if (!mariadb)
        undo_text_add(&p->text, UNDO_REASON_OK, 0, "SET SESSION gtid_next='AUTOMATIC'");
    undo_text_add(&p->text, UNDO_REASON_OK, 0, "START TRANSACTION");
    for (unsigned i = p->n_changes; err == 0 && i > 0; i--)
        err = emit_change(p, &p->changes[i - 1]);
    if (err == 0 && mariadb)
        err = emit_set_mariadb(p);
    else if (err == 0)
        emit_set_mysql(p);
    if (err != 0)
        return err;
    if (p->text.err == 0)
        p->text.script->n_work = p->text.script->n_steps;
    emit_cleanup(p, mariadb);
    return p->text.err;
}

/* --- the job ---------------------------------------------------------------------------------- */

static int collect(struct undo_plan *p)
{
    struct rewind_work *k = p->k;
    bool last = false;
    int err = 0;
    for (unsigned i = k->index.count; err == 0 && i > 0 && !last; i--) {
        struct stat st;
        k->file_at = i - 1;
        k->file_groups = k->file_others = 0;
        p->begun = false;
        err = binlog_file_walk(k->index.paths[i - 1], &k->budget, &k->walk, on_group, p, &st,
                               &k->res->errmsg);
        if (err == 0 && k->walk.err != 0)
            err = refuse(p, UNDO_REASON_DAMAGED, k->walk.errmsg.text);
        if (i == k->index.count)
            p->format = k->walk.format;
        k->others_behind |= k->file_others > 0;
        p->has_last |= p->begun;
        last = rewind_is_last(k);
    }
    if (err == 0 && (p->n_ranges == 0 || !rewind_is_complete(k, last)))
        err = refuse(p, UNDO_REASON_MISSING, "");
    return err == ERR_NOTFOUND ? refuse(p, UNDO_REASON_MISSING, "") : err;
}

static void release(struct undo_plan *p)
{
    for (unsigned i = 0; i < p->n_ranges; i++)
        free(p->ranges[i].bytes);
    for (unsigned i = 0; i < p->n_tables; i++)
        free((void *)(uintptr_t)p->tables[i].rest);
    free(p->ranges);
    free(p->changes);
    free(p->offsets);
    free(p->raw);
    undo_script_free(p->text.script);
    free(p);
}

int rewind_undo_run(struct rewind_work *k)
{
    struct undo_plan *p = calloc(1, sizeof *p);
    int err;
    if (p == NULL)
        return ERR_NOMEM;
    p->k = k;
    undo_text_init(&p->text);
    err = p->text.err != 0 ? p->text.err : rewind_parse_extra(k);
    if (err == 0)
        err = collect(p);
    if (err == 0)
        err = read_changes(p);
    if (err == 0)
        err = emit(p);
    if (err == 0) {
        p->text.script->groups = p->n_ranges;
        k->res->undo = p->text.script;
        p->text.script = NULL;
    }
    release(p);
    return k->res->undo_reason != UNDO_REASON_OK ? 0 : err;
}
