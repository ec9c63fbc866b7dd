BEGIN TRANSACTION;
CREATE TABLE adoptions (
	seq INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	model VARCHAR(8) NOT NULL, 
	contract VARCHAR(16) NOT NULL, 
	root VARCHAR(8) NOT NULL, 
	contract_month VARCHAR(6) NOT NULL, 
	quantity INTEGER NOT NULL, 
	note TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "adoptions" VALUES(1,'2026-11-19 22:10:00.000000','TF','ZNZ26','ZN','202612',-3,'inception');
CREATE TABLE approvals (
	seq INTEGER NOT NULL, 
	run_id VARCHAR(40) NOT NULL, 
	at DATETIME NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE halts (
	seq INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	"by" VARCHAR(80) NOT NULL, 
	reason TEXT NOT NULL, 
	lifted BOOLEAN NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE order_events (
	seq INTEGER NOT NULL, 
	run_id VARCHAR(40) NOT NULL, 
	order_ref VARCHAR(40) NOT NULL, 
	at DATETIME NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "order_events" VALUES(1,'2026-11-19-aaaaaaaa','desk-20261119-TF-ESZ26-O1','2026-11-19 22:10:00.000000','fill','{"order_ref":"desk-20261119-TF-ESZ26-O1","at":"2026-11-19T22:10:00Z","kind":"fill","status":"","perm_id":0,"filled":null,"remaining":null,"code":null,"text":"","fill":{"exec_id":"0000e0d5.67.01","order_ref":"desk-20261119-TF-ESZ26-O1","perm_id":4711,"con_id":7747202612,"action":"BUY","quantity":2,"price":"6000","at":"2026-11-19T22:10:00Z","account":"DU1234567","commission":null,"commission_currency":null}}');
CREATE TABLE orders (
	order_ref VARCHAR(40) NOT NULL, 
	run_id VARCHAR(40) NOT NULL, 
	session DATE NOT NULL, 
	account VARCHAR(20) NOT NULL, 
	model VARCHAR(8) NOT NULL, 
	contract VARCHAR(16) NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (order_ref)
);
INSERT INTO "orders" VALUES('desk-20261119-TF-ESZ26-O1','2026-11-19-aaaaaaaa','2026-11-19','DU1234567','TF','ESZ26','{"order_ref":"desk-20261119-TF-ESZ26-O1","model":"TF","mapped":{"contract":{"root":"ES","month":{"year":2026,"month":12}},"spec":{"root":"ES","name":"ES futures","sector":"Equity Index","ib_symbol":"ES","ib_exchange":"CME","trading_class":"ES","currency":"USD","multiplier":"50","price_magnifier":1,"tick_size":"0.25","point_value":"50","vendor_to_ib_scale":"1","quotation":"index points","months":"HMUZ","settlement":"cash","last_trade_month_offset":null,"ambiguous":false,"send_trading_class":false,"confidence":"high","flags":"","blocked":""}},"action":"BUY","quantity":2,"kind":"entry","limit_price":"6000","account":"DU1234567","session":"2026-11-19","trade_id":"TF/2026-11-19/ESZ26","model_quantity":2,"held_before":0,"reference_price":"6000","order_type":"LMT","tif":"DAY","reason":"","stop_level":null,"roll_pair":"","catch_up":false}');
CREATE TABLE parts (
	order_ref VARCHAR(40) NOT NULL, 
	model VARCHAR(8) NOT NULL, 
	quantity INTEGER NOT NULL, 
	PRIMARY KEY (order_ref, model)
);
CREATE INDEX ix_orders_session ON orders (session);
CREATE INDEX ix_order_events_order_ref ON order_events (order_ref);
CREATE INDEX adoptions_by_model ON adoptions (model, contract);
CREATE INDEX ix_approvals_run_id ON approvals (run_id);
COMMIT;
