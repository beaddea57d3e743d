// SPDX-License-Identifier: Apache-2.0
// A web process without dependencies: says hello, and on SIGTERM finishes what it is serving.
'use strict';
const http = require('http');

const port = Number(process.env.PORT);
if (!Number.isInteger(port) || port < 1 || port > 65535) {
	console.error(`PORT is not a port: ${process.env.PORT}`);
	process.exit(2);
}

const server = http.createServer((request, response) => {
	response.setHeader('Content-Type', 'text/plain; charset=utf-8');
	response.end(`hello from ${process.env.DYNO}: ${request.method} ${request.url}\n`);
});

server.listen(port, '0.0.0.0', () => console.log(`listening on ${port}`));
process.on('SIGTERM', () => {
	console.log('closing');
	server.close(() => process.exit(0));
});
