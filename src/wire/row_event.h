/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row changes of a binlog: where each image of a row begins and ends, and events that put them back
 * (the inverse: what was inserted is deleted, what was deleted is inserted, an update has its
 * images swapped). Values are not understood, only measured: for that the table map gives the
 * types.
 *
 * Only what can be measured with certainty is read: full images of both sides, and the column types
 * of row_table_decode(). ERR_UNSUPPORTED names everything else: partial images
 * (binlog_row_image other than FULL, partial JSON), compressed events and columns, spatial, vector
 * and old temporal types. ERR_FORMAT: bytes that cannot be. Pure; bytes may come from anywhere.
 *
 * Formats: MySQL source documentation "Table_map_event", "Rows_event"; MariaDB writes version 1 of
 * the latter, without the extra data, MySQL version 2.
 */
#ifndef TANDEM_WIRE_ROW_EVENT_H
#define TANDEM_WIRE_ROW_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define ROW_COLUMNS_MAX 1024 /* InnoDB has 1017 at most */
#define ROW_NAME_MAX 256

struct row_table {
    uint64_t id;
    uint16_t flags;
    char database[ROW_NAME_MAX];
    char name[ROW_NAME_MAX];
    unsigned n_columns;
    uint8_t type[ROW_COLUMNS_MAX];
    uint16_t meta[ROW_COLUMNS_MAX];
    const uint8_t *rest; /* of the body, behind the names: points into what was decoded */
    size_t rest_size;
};

enum row_kind { ROW_WRITE, ROW_UPDATE, ROW_DELETE };

struct row_event {
    enum row_kind kind;
    bool version_1;
    uint16_t flags;
    const uint8_t *rows; /* the images, one after the other; of an update: before, after */
    size_t size;
};

/* Body of a TABLE_MAP event. ret_what (ROW_NAME_MAX bytes) says what is unsupported. */
int row_table_decode(const uint8_t *body, size_t n, struct row_table *ret_table,
                     char *ret_what) NODISCARD;
/* The table's id in the body of a rows event; ERR_FORMAT if it is too short. */
int row_event_table(const uint8_t *body, size_t n, uint64_t *ret_id) NODISCARD;
/* Body of a rows event of that type on that table. */
int row_event_decode(uint8_t type, const uint8_t *body, size_t n, const struct row_table *t,
                     struct row_event *ret_event, char *ret_what) NODISCARD;
/* Bytes of the full image at `at`, at most n. ERR_FORMAT: it does not fit. */
int row_image_size(const struct row_table *t, const uint8_t *at, size_t n,
                   size_t *ret_size) NODISCARD;

/* Events for a BINLOG statement, one after the other. */
struct row_writer {
    uint8_t *buf;
    size_t size;
    size_t used;
    size_t event; /* offset of the one that is open */
    bool checksum;
    uint32_t server_id;
    uint32_t timestamp_s;
    int err; /* ERR_FULL: it did not fit */
};

/* Most that row_put_table and row_put_begin take beside rest_size and the columns' bits. */
#define ROW_PUT_MAX (3 * ROW_NAME_MAX)

/* A table map of the same columns under another id and name. */
void row_put_table(struct row_writer *w, const struct row_table *t, uint64_t id,
                   const char *database, const char *name);
/* A rows event of that kind begins: rows follow by row_put_image(), then row_put_end(). It ends its
 * statement, and its foreign keys are not checked. */
void row_put_begin(struct row_writer *w, const struct row_table *t, uint64_t id, enum row_kind kind,
                   bool version_1);
void row_put_image(struct row_writer *w, const uint8_t *image, size_t n);
void row_put_end(struct row_writer *w);

#endif
