/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/unpack_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "base/err.h"
#include "base/fd.h"
#include "rootfs/unpack_decode.h"
#include "rootfs/unpack_limits.h"

/* 32 blocks of 256 KiB: large enough that handing over costs nothing, small enough for the second
 * level cache of one core. Source: measured 2026-11, 64 KiB and 1 MiB cost 4 % more. */
#define BLOCK_BYTES (256U << 10)
#define BLOCK_COUNT 32U

/**
 * struct block - one buffer on its way round.
 * @own: its memory
 * @data: what it holds: in @own, or in the archive in memory
 * @hash: bytes of the compressed file, to be hashed
 * @pass: bytes of the stream, to be given to the taker; a plain file's are both
 */
struct block {
	uint8_t *own;
	const uint8_t *data;
	size_t len;
	bool hash;
	bool pass;
};

struct source {
	struct source_file file;
	pthread_t thread;
	bool thread_made;

	pthread_mutex_t lock;
	pthread_cond_t to_taker;
	pthread_cond_t to_thread;
	struct block *queue[BLOCK_COUNT];
	unsigned int queue_first, queue_len;
	struct block *idle[BLOCK_COUNT];
	unsigned int n_idle;
	bool waiting, started, stopping, ended;
	struct dyno_err end_err; /* why the thread ended; .kind 0: end of stream */
	int end_result;

	/* The thread's own. */
	uint64_t out_total;
	struct block *in, *out;
	bool plain;

	/* The taker's own. */
	struct block *held;
	struct sha256_ctx sha;

	uint64_t in_total; /* written by the thread, read by the taker for the progress only */

	struct block blocks[BLOCK_COUNT];
	uint8_t memory[BLOCK_COUNT][BLOCK_BYTES];
};

static void enqueue(struct source *s, struct block *b)
{
	pthread_mutex_lock(&s->lock);
	s->queue[(s->queue_first + s->queue_len++) % BLOCK_COUNT] = b;
	pthread_cond_signal(&s->to_taker);
	pthread_mutex_unlock(&s->lock);
}

static void give_back(struct source *s, struct block *b)
{
	pthread_mutex_lock(&s->lock);
	s->idle[s->n_idle++] = b;
	pthread_cond_signal(&s->to_thread);
	pthread_mutex_unlock(&s->lock);
}

/* Return: an empty block, or NULL when the taker has given up. */
static struct block *get_idle(struct source *s)
{
	struct block *b = NULL;

	pthread_mutex_lock(&s->lock);
	while (s->n_idle == 0 && !s->stopping)
		pthread_cond_wait(&s->to_thread, &s->lock);
	if (!s->stopping) {
		b = s->idle[--s->n_idle];
		*b = (struct block){.own = b->own, .data = b->own};
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

/* ---- what a decoder sees: input, output ---------------------------------------------------- */

/* Into a block of our own. */
static ssize_t read_file(struct source *s, struct dyno_err *err)
{
	ssize_t n;

	do
		n = pread(s->file.fd, s->in->own, BLOCK_BYTES, (off_t)s->in_total);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_SLUG_OPEN, errno, "read the slug");
	if (s->in_total + (uint64_t)n > UNPACK_ARCHIVE_MAX_BYTES)
		return decode_limit(err, "the slug grew beyond the cap on its size while read");
	s->in->hash = true;
	return n;
}

static ssize_t source_read(void *data, const uint8_t **ret, struct dyno_err *err)
{
	struct source *s = data;
	ssize_t n;

	if (s->in)
		enqueue(s, take_ptr(&s->in));
	s->in = get_idle(s);
	if (!s->in)
		return -ECANCELED;
	if (s->file.memory) {
		s->in->data = s->file.memory + s->in_total;
		n = (ssize_t)MIN_OF(s->file.size - s->in_total, (uint64_t)BLOCK_BYTES);
	} else {
		n = read_file(s, err);
	}
	if (n < 0)
		return n;
	s->in->len = (size_t)n;
	s->in->pass = s->plain;
	__atomic_store_n(&s->in_total, s->in_total + (uint64_t)n, __ATOMIC_RELAXED);
	*ret = s->in->data;
	return n;
}

static int check_output(const struct source *s, struct dyno_err *err)
{
	if (s->out_total > UNPACK_STREAM_MAX_BYTES)
		return decode_limit(err, "the slug decompresses to more than 8 GiB");
	if (s->out_total > UNPACK_RATIO_FREE_BYTES && s->out_total / UNPACK_RATIO_MAX > s->in_total)
		return decode_limit(err, "the slug decompresses to more than " STRINGIFY(
						 UNPACK_RATIO_MAX) " times its size");
	return 0;
}

/* @used: bytes of the current output block that the decoder has filled. */
static int source_write(void *data, size_t used, uint8_t **ret, size_t *ret_room,
			struct dyno_err *err)
{
	struct source *s = data;
	int r;

	if (s->out && used > 0) {
		s->out->len = used;
		s->out->pass = true;
		s->out_total += used;
		r = check_output(s, err);
		if (r < 0)
			return r;
		enqueue(s, take_ptr(&s->out));
	}
	if (!s->out)
		s->out = get_idle(s);
	if (!s->out)
		return -ECANCELED;
	*ret = s->out->own;
	*ret_room = BLOCK_BYTES;
	return 0;
}

/* ---- the thread ---------------------------------------------------------------------------- */

static int pass_plain(const struct decode_io *io, struct dyno_err *err)
{
	const uint8_t *data;
	ssize_t n;

	do
		n = io->read(io->data, &data, err);
	while (n > 0);
	return (int)n;
}

static int recognise(const struct source *s, enum decode_format *ret, struct dyno_err *err)
{
	uint8_t head[DECODE_HEAD_BYTES];
	ssize_t n;

	if (s->file.memory)
		return decode_recognise(s->file.memory,
					MIN_OF(s->file.size, (uint64_t)DECODE_HEAD_BYTES), ret,
					err);
	do
		n = pread(s->file.fd, head, sizeof(head), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_SLUG_OPEN, errno, "read the slug");
	return decode_recognise(head, (size_t)n, ret, err);
}

static void *run(void *arg)
{
	struct source *s = arg;
	struct decode_io io = {source_read, source_write, s};
	struct dyno_err err = {0};
	enum decode_format format = DECODE_PLAIN;
	int r;

	pthread_mutex_lock(&s->lock);
	s->waiting = true;
	pthread_cond_signal(&s->to_taker);
	while (!s->started && !s->stopping)
		pthread_cond_wait(&s->to_thread, &s->lock);
	pthread_mutex_unlock(&s->lock);

	r = recognise(s, &format, &err);
	s->plain = format == DECODE_PLAIN;
	if (r == 0)
		r = s->plain ? pass_plain(&io, &err) : decode_run(format, &io, &err);
	if (s->in)
		enqueue(s, s->in);

	pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->end_result = r;
	s->end_err = err;
	pthread_cond_signal(&s->to_taker);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int source_open(const struct source_file *file, struct source **ret, struct dyno_err *err)
{
	struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ERR_MEMORY, ENOMEM, "allocate the unpacker's blocks");
	s->file = *file;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->to_taker, NULL);
	pthread_cond_init(&s->to_thread, NULL);
	sha256_init(&s->sha);
	for (unsigned int i = 0; i < BLOCK_COUNT; i++) {
		s->blocks[i].own = s->memory[i];
		s->idle[s->n_idle++] = &s->blocks[i];
	}
	r = pthread_create(&s->thread, NULL, run, s);
	if (r != 0) {
		source_free(s);
		return err_set(err, ERR_HELPER, r, "make the decompressing thread");
	}
	s->thread_made = true;

	/* Only once it runs our code has it done the calls of a thread's beginning, which the
	 * filter that comes next does not allow. */
	pthread_mutex_lock(&s->lock);
	while (!s->waiting)
		pthread_cond_wait(&s->to_taker, &s->lock);
	pthread_mutex_unlock(&s->lock);
	*ret = s;
	return 0;
}

void source_start(struct source *s)
{
	pthread_mutex_lock(&s->lock);
	s->started = true;
	pthread_cond_signal(&s->to_thread);
	pthread_mutex_unlock(&s->lock);
}

/* Return: the next queued block, or NULL when the thread has ended and all were taken. */
static struct block *dequeue(struct source *s)
{
	struct block *b = NULL;

	pthread_mutex_lock(&s->lock);
	while (s->queue_len == 0 && !s->ended)
		pthread_cond_wait(&s->to_taker, &s->lock);
	if (s->queue_len > 0) {
		b = s->queue[s->queue_first];
		s->queue_first = (s->queue_first + 1) % BLOCK_COUNT;
		s->queue_len--;
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

ssize_t source_next(struct source *s, const void **ret_data, struct dyno_err *err)
{
	struct block *b;

	if (s->held) {
		give_back(s, s->held);
		s->held = NULL;
	}
	while ((b = dequeue(s))) {
		if (b->hash)
			sha256_update(&s->sha, b->len, b->data);
		if (b->pass && b->len > 0) {
			s->held = b;
			*ret_data = b->data;
			return (ssize_t)b->len;
		}
		give_back(s, b);
	}
	if (s->end_result < 0 && err)
		*err = s->end_err;
	return s->end_result;
}

uint64_t source_consumed(const struct source *s)
{
	return __atomic_load_n(&s->in_total, __ATOMIC_RELAXED);
}

void source_digest(struct source *s, uint8_t ret[UNPACK_SHA256_BYTES])
{
	sha256_digest(&s->sha, UNPACK_SHA256_BYTES, ret);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	if (s->thread_made) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		pthread_cond_signal(&s->to_thread);
		pthread_mutex_unlock(&s->lock);
		(void)pthread_join(s->thread, NULL); /* fails only for a thread that is not ours */
	}
	free(s);
}
