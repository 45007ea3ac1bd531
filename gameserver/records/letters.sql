-- Orders about dead letters, which a worker carries out, and what workers see of the queues.

-- name: order
-- Write an order down, once.
INSERT INTO letter_orders (order_id, verb, given, who, why)
VALUES ($1, $2, $3::jsonb, $4, $5)
ON CONFLICT DO NOTHING

-- name: outcome
-- One order.
SELECT order_id, verb, given::text AS given, who, why, asked_at, taken_at, done_at,
       answer::text AS answer, failure
FROM letter_orders WHERE order_id = $1

-- name: orders
-- The newest $1 that change something.
SELECT order_id, verb, given::text AS given, who, why, asked_at, taken_at, done_at,
       NULL AS answer, failure
FROM letter_orders
WHERE verb NOT IN ('list', 'show')
ORDER BY asked_at DESC, order_id
LIMIT $1

-- name: samples
-- What workers saw since $1.
SELECT at, workers, visible, held, delayed, dead_letters, parked, oldest_age_s
FROM queue_samples
WHERE at > $1 AND at > now() - interval '1 hour'
ORDER BY at
