"""What is held follows from the trades; there is no second place where it is written."""

from django.db import migrations

POSITIONS = """
CREATE VIEW v_positions AS
SELECT strategy_id || ':' || security_id AS id, strategy_id, min(account_id) AS account_id, security_id,
       min(symbol) AS symbol, min(option_type) AS option_type, min(strike_price) AS strike_price,
       min(expiry_date) AS expiry_date,
       sum(CASE action WHEN 'BUY' THEN quantity ELSE -quantity END)::integer AS quantity,
       sum(CASE action WHEN 'BUY' THEN -price * quantity ELSE price * quantity END) AS cash,
       sum(charges) AS charges
FROM trades
GROUP BY strategy_id, security_id;
"""


class Migration(migrations.Migration):
    dependencies = [("execution", "0001_initial")]

    operations = [migrations.RunSQL(POSITIONS, "DROP VIEW v_positions;")]
